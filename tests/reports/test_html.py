"""The page: the same bytes for the same folder, nothing fetched, nothing injected, readable by assistive software."""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from layout import folder
from layout.records import MisfitRecord
from reports.html import render
from reports.record import gather
from tests.reports import folders

GOLDEN = Path(__file__).parents[1] / "golden" / "reports" / "small.html"
VOID = {"meta", "br", "hr", "col", "img", "input", "link"}


class Page(HTMLParser):
    """Elements with their attributes and texts; notes elements that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))

    def count(self, tag):
        return sum(name == tag for name, _ in self.elements)

    def text_of(self, tag):
        return [text for name, text in self.texts if name == tag]


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return folders.write(tmp_path_factory.mktemp("plan") / "out")


@pytest.fixture(scope="module")
def text(plan):
    return render(gather(plan))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    return render(gather(folders.hostile(tmp_path_factory.mktemp("hostile") / "out")))


def test_the_page_is_the_golden_one(plan):
    """KUMIAI_UPDATE_GOLDEN=1 writes it anew. The digest is masked: it follows every byte of the builder's layout."""
    text = render(replace(gather(plan), layout_digest="0" * 64))
    if os.environ.get("KUMIAI_UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_the_same_record_gives_the_same_bytes(plan, text):
    assert render(gather(folder.read(plan.path))) == text


@pytest.mark.parametrize("which", ["text", "hostile"])
def test_nothing_is_fetched_and_nothing_runs(which, request):
    page = Page(request.getfixturevalue(which))
    assert page.open == []
    assert {"script", "link", "img", "iframe", "object", "embed", "base", "form", "image", "use"} & {
        name for name, _ in page.elements
    } == set()
    for name, attributes in page.elements:
        assert not [key for key in attributes if key.startswith("on")], name
        assert attributes.keys() & {"src", "srcset", "action", "data", "xlink:href"} == set(), name
        assert re.fullmatch(r"#[a-z]+", attributes.get("href") or "#a"), name
        assert "url(" not in (attributes.get("style") or "")
    styles = "".join(page.text_of("style"))
    assert "@import" not in styles
    assert "url(" not in styles


def test_hostile_names_are_shown_as_they_are_written(hostile):
    page = Page(hostile)
    shown = folders.HOSTILE.replace("\u202e", "\\u202e")
    assert page.text_of("h1")[0].startswith(shown)
    assert page.text_of("title")[0].startswith(shown)
    assert sum(shown in data for _, data in page.texts) > 30
    assert "\u202e" not in hostile


def test_a_hostile_name_never_enters_a_drawing(hostile):
    drawings = re.findall(r"<svg.*?</svg>", hostile, flags=re.S)
    assert len(drawings) >= 2
    for drawing in drawings:
        body = re.sub(r"<title.*?</desc>", "", drawing, flags=re.S)
        assert "owned" not in body
        assert "7*7" not in body
        assert "49" not in re.sub(r'"[^"]*"', "", body)


def test_the_page_says_its_verdict_first(text, plan):
    body = Page(text[text.index("<body") : text.index("</html>")])
    assert next(data for _, data in body.texts if data.strip()) == plan.run.verdict
    assert ("html", {"lang": "ja"}) in Page(text).elements


def test_headings_captions_and_descriptions_are_there(text):
    page = Page(text)
    assert page.count("h1") == 1
    levels = [int(name[1]) for name, _ in page.elements if re.fullmatch(r"h[1-6]", name)]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert page.count("table") == page.count("caption") > 10
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    drawings = [attributes for name, attributes in page.elements if name == "svg"]
    assert all(drawing["role"] == "img" for drawing in drawings)
    for drawing in drawings:
        assert {drawing["aria-labelledby"], drawing["aria-describedby"]} <= set(ids)
    targets = [attributes["href"][1:] for name, attributes in page.elements if name == "a"]
    assert set(targets) <= set(ids)


def test_the_page_shows_what_was_saved(text):
    for needle in (
        "延岡市", "日田市", "契約書が優先します", "microsoft-sql-server.core-per-vm", "未確認：数える単位",
        "令和9年5月1日から令和9年6月30日まで、t00", "1. 仮想サーバーが移動できると",
        "2. 繁忙期に", "3. ホストが増えると",
        "20 回模擬", "+15.2", "−1.5", "住民基本台帳", "仮定値", "平均", "予備（N+1）", "不合格 1 件",
    ):  # fmt: skip
        assert needle in text, needle


def test_the_page_shows_the_bill_and_the_ways_out(text):
    for needle in (
        "契約 5 年の費用（税抜き）", "1,074,635 千円", "削減 1 団体、増額 1 団体。", "1,182,098", "495,648",
        "−138,755", "−46.3 %", "29.3 %", "単独より高い", "価格のない製品 1 件（合計に含みません。0 円ではありません）",
        "均等割 25.00 %（1 団体）、人口割 32.76 %（116,641 人）", "1,000 円未満切り捨て。",
        "動ける範囲を狭める（最も安い）", "時間単位で払う（最も安い）", "346,953,600", "11,712 コア時間",
        "損益の分かれ目",
        "例（実際の価格ではありません）",
        "費目 × 団体（契約期間の合計、千円", "v(S) は、同じ構成から", "仮定値", "対象外",
    ):  # fmt: skip
        assert needle in text, needle
    bill = text[text.index('id="bill"') : text.index('id="simulation"')]
    remedies = text[text.index('id="remedies"') : text.index('id="bill"')]
    assert "契約書が優先します" in bill
    assert "契約書が優先します" in remedies
    assert "根拠 P" in remedies


def test_both_charts_have_the_same_scale_and_the_capacity(text, plan):
    drawings = re.findall(r'<svg class="chart".*?</svg>', text, flags=re.S)
    before, after = drawings[:2]
    labels = [re.findall(r"<text[^>]*>([0-9.,]+)</text>", drawing) for drawing in (before, after)]
    assert labels[0] == labels[1] != []
    assert all(f"能力 {plan.run.peaks[0].capacity_cores:.0f} コア" in drawing for drawing in (before, after))


def test_missing_results_are_said_in_the_page(tmp_path):
    text = render(gather(folder.write(tmp_path / "out", folders.contents())))
    assert "最も混む週の模擬はまだありません" in text
    assert "ライセンスの計数はまだありません" in text
    assert "未計数" in text
    assert "費用と負担の計算はまだありません" in text
    assert "未計算" in text


def test_a_plan_that_does_not_fit_says_why(tmp_path):
    plain = folders.contents(fits=False)
    misfit = MisfitRecord(
        reason="夜間の枠に 12.5 分足りません", kind="window", tenant="t00", system="s00", job="nightly", minutes=12.5
    )
    run = plain.run.model_copy(update={"misfits": (misfit,), "verdict": "判定：不適合 — 例"})
    text = render(gather(folder.write(tmp_path / "out", replace(plain, run=run))))
    assert 'class="verdict bad"' in text
    assert "夜間の枠に 12.5 分足りません" in text


def test_a_plan_without_any_load_has_a_page(tmp_path):
    plain = folders.contents()
    run = plain.run.model_copy(update={"peaks": (), "fits": False, "verdict": "判定：不適合 — 負荷なし"})
    text = render(gather(folder.write(tmp_path / "out", replace(plain, run=run))))
    assert "<svg" not in text
    assert "判定：不適合 — 負荷なし" in text


def test_the_page_is_small(text):
    assert len(text.encode()) < 3_000_000
