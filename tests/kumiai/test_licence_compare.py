"""`kumiai license compare`: the table, the JSON, the page with charts, the exit codes and what is refused."""

from __future__ import annotations

import re

import pytest

from layout import layout_file
from layout.records import Product
from tests.licensing.remedies.plans import PRICES
from tests.licensing.small_layouts import host, layout, vm

ORACLE = Product(rule="oracle-database-enterprise.processor")


@pytest.fixture
def layouts(tmp_path):
    """Two bare layouts: the VM may move to two hosts, or to none."""
    hosts = [host("kvm01"), host("kvm02")]
    paths = []
    for name, pinned in (("movable", False), ("pinned", True)):
        path = tmp_path / f"{name}.json"
        path.write_bytes(
            layout_file.layout_bytes(layout(hosts, [vm("a", "kvm01", [ORACLE], may_run_on="all", pinned=pinned)]))
        )
        paths.append(path)
    return paths


def edited(path, old: str, new: str):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_differences_are_exit_code_4(ask, layouts):
    answer = ask("license", "compare", *layouts, "--prices", PRICES)
    assert (answer.code, answer.err) == (4, "")
    lines = answer.out.splitlines()
    assert lines[0].startswith("判定：差あり — 1 製品のうち 1 製品で必要数が違います")
    assert any(
        re.search(r"oracle-database-enterprise.processor +Processor +32 +320,000,000 +16 +160,000,000", line)
        for line in lines
    )
    assert "契約書が優先します" in lines[-1]
    assert "［根拠 P］" in answer.out


def test_equal_layouts_are_exit_code_0(ask, layouts):
    answer = ask("license", "compare", layouts[0], layouts[0])
    assert answer.code == 0
    assert answer.out.startswith("判定：差なし")


def test_json_says_the_same(ask, layouts):
    text, answer = (ask("license", "compare", *layouts, "--prices", PRICES, *more) for more in ((), ("--json",)))
    assert answer.code == 4
    assert answer.document["format_version"] == "1.0"
    assert answer.document["verdict"] == text.out.splitlines()[0]
    assert [one["total_jpy"] for one in answer.document["layouts"]] == [321_400_000, 161_400_000]
    assert answer.document["products"][0]["evidence"] == "P"
    assert "契約書が優先します" in answer.document["notice"]


def test_a_plan_folder_beside_a_bare_layout(ask, lab_plan, tmp_path):
    bare = tmp_path / "bare.json"
    bare.write_bytes((lab_plan / "layout.json").read_bytes())
    before = sorted(lab_plan.iterdir())
    answer = ask("license", "compare", lab_plan, bare, "--json")
    assert answer.code == 0
    assert [one["violations"] is None for one in answer.document["layouts"]] == [False, True]
    assert sorted(lab_plan.iterdir()) == before


@pytest.mark.parametrize("option", ["-o", "--output", "--chart"])
def test_the_page_has_both_charts(ask, layouts, tmp_path, option):
    page = tmp_path / "page.html"
    answer = ask("license", "compare", *layouts, "--prices", PRICES, option, page)
    assert answer.code == 4
    text = page.read_text(encoding="utf-8")
    assert text.count('<svg class="chart"') == 2
    assert "<script" not in text
    assert answer.out.splitlines()[0] in text
    assert "契約書が優先します" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a, b: [a, edited(b, '"fiscal_year": 2027', '"fiscal_year": 2028')], "年度が違う構成"),
        (lambda a, b: [a, edited(b, '"format_version": "1.0"', '"format_version": "2.0"')], "形式バージョン 2.0"),
        (lambda a, b: [a, edited(b, ORACLE.rule, "oracle.nothing")], "oracle.nothing がありません"),
        (lambda a, b: [a, edited(b, '"may_run_on": "all"', '"may_run_on": "none"')], "none"),
        (lambda a, b: [a, b.with_name("missing")], "missing: 計画フォルダーも layout.json もありません"),
        (lambda a, b: [a, a.parent], "ファイルがありません"),
        (lambda a, b: [a], "比べる構成は 2 から 26"),
        (lambda a, b: [a, b, "--prices", b], "価格表として読めるのは"),
        (lambda a, b: [a, b, "--prices", b.with_name("missing.yaml")], "missing.yaml"),
        (lambda a, b: [a, b, "--rate", "USD"], "--rate"),
        (lambda a, b: [a, b, "--rules", b.with_name("missing")], "規則のフォルダーがありません"),
        (lambda a, b: [a, b, "-o", a.parent], "フォルダーです"),
        (lambda a, b: [a, b, "-o", a.parent / "nowhere" / "page.html"], "nowhere がありません"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(ask, layouts, tmp_path, change, said):
    arguments = change(*layouts)
    before = sorted(tmp_path.rglob("*"))
    answer = ask("license", "compare", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert len(answer.err.splitlines()) == 1
    assert said in answer.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_that_is_no_page_is_not_replaced(ask, layouts):
    a, b = layouts
    before = a.read_bytes()
    answer = ask("license", "compare", a, b, "-o", a)
    assert (answer.code, answer.out) == (2, "")
    assert "上書きしません" in answer.err
    assert a.read_bytes() == before
