"""`kumiai license count` on a plan folder with violations: the ways out, priced, in text, JSON and the saved result."""

from __future__ import annotations

import json

import pytest

from layout import folder, results
from licensing.rulebook import SHIPPED
from tests.kumiai.conftest import all_files
from tests.licensing.remedies.plans import PRICES
from tests.licensing.remedies.seasons import GROWING, Season


@pytest.fixture
def season(tmp_path):
    """A plan folder whose busy season needs four cores more than are held."""
    return folder.write(tmp_path / "plan", Season(cpu_s=8000).contents())


def test_the_ways_out_are_shown_side_by_side(ask, season):
    answer = ask("license", "count", season.path, "--prices", PRICES)
    assert (answer.code, answer.err) == (3, "")
    section = answer.out[answer.out.index("違反への対応") :]
    # 4 cores x 100,000; 8 cores x 336 hours x 100 yen x 5 years; six hosts of 32 cores x 300,000.
    for line in (
        "○ 最大の不足を買う                400,000 円  4 コア",
        "○ 時間課金にする                1,344,000 円  2688 コア時間",
        "○ 物理コアで契約する           57,600,000 円  192 コア",
        "× 固定するか範囲を狭める                   —",
        "◎ 処理の時間をずらす                    0 円  買い足しなし",
    ):
        assert line in section
    assert "最も安いのは「処理の時間をずらす」" in section
    assert "契約書が優先します" in section


def test_the_saved_result_is_the_json(ask, season):
    answer = ask("license", "count", season.path, "--prices", PRICES, "--years", 3, "--json")
    assert answer.code == 3
    (remedies,) = answer.document["remedies"]
    assert (remedies["vm"], remedies["cheapest"]) == (GROWING, "retime")
    assert {option["kind"]: option["cost_jpy"] for option in remedies["options"]} == {
        "buy-peak": 400_000,
        "hourly": 806_400,
        "physical": 57_600_000,
        "pin": None,
        "retime": 0,
    }
    assert json.loads(results.read_result(folder.read(season.path), "licences.json")) == answer.document


def test_a_count_with_rules_of_ones_own_is_saved_and_names_their_vendor(ask, season, tmp_path):
    rules = tmp_path / "rules"
    rules.mkdir()
    shipped = (SHIPPED / "microsoft-sql-server.core-per-vm.yaml").read_text(encoding="utf-8")
    changed = shipped.replace("vendor: Microsoft", "vendor: 見本商会").replace("unit: コア", "unit: 見本単位")
    (rules / "ours.yaml").write_text(changed, encoding="utf-8")
    ask("license", "count", season.path, "--rules", rules, "--no-remedies")
    saved = json.loads(results.read_result(folder.read(season.path), "licences.json"))
    ours = next(product for product in saved["products"] if product["rule"] == "microsoft-sql-server.core-per-vm")
    assert (ours["vendor"], ours["unit"]) == ("見本商会", "見本単位")


def test_parts_are_shown_on_request(ask, season):
    brief = ask("license", "count", season.path, "--no-remedies").out
    detailed = ask("license", "count", season.path, "--no-remedies", "--detail").out
    assert f"        {GROWING}: vCPU " not in brief
    assert f"        {GROWING}: vCPU " in detailed


def test_the_shipped_examples_are_used_and_say_that_they_are_examples(ask, season):
    answer = ask("license", "count", season.path)
    assert answer.code == 3
    assert "（例：SQL Server" in answer.out


def test_a_bare_layout_has_no_violations_and_no_remedies(ask, season):
    answer = ask("license", "count", season.path / "layout.json", "--json")
    assert answer.code == 0
    assert answer.document["remedies"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--prices", "missing.yaml"], "missing.yaml"),
        (["--rate", "USD=0"], "--rate"),
        (["--rate", "EUR=160"], "EUR"),
        (["--years", "0"], "--years"),
        (["--years", "99"], "--years"),
    ],
)
def test_a_mistake_writes_nothing(ask, season, arguments, said):
    before = all_files(season.path)
    answer = ask("license", "count", season.path, *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert all_files(season.path) == before


def test_nobody_must_wait_for_remedies(ask, season):
    answer = ask("license", "count", season.path, "--no-remedies", "--json")
    assert (answer.code, answer.document["remedies"]) == (3, [])
    assert len(answer.document["violations"]) == 1
