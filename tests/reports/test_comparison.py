"""The comparison of layouts as text and as a page, from a saved comparison of three layouts."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

import pytest

from layout.comparison_records import ComparisonResult
from reports import comparison_page, comparison_text
from reports.comparison_charts import HEIGHT, HOSTS_COLOUR, LICENCES_COLOUR, fees, hosts_and_yen
from tests.reports.folders import CASES, HOSTILE

GOLDEN = Path(__file__).parents[1] / "golden" / "reports"
SAVED = ComparisonResult.model_validate_json((CASES / "comparison.json").read_text(encoding="utf-8"))


def golden(name: str, text: str) -> str:
    """The golden file's text; KUMIAI_UPDATE_GOLDEN=1 writes it anew."""
    path = GOLDEN / name
    if os.environ.get("KUMIAI_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8")


def test_the_text_is_the_golden_one():
    text = comparison_text.text(SAVED)
    assert text == golden("comparison.txt", text)


def test_the_page_is_the_golden_one():
    page = comparison_page.render(SAVED)
    assert page == golden("comparison.html", page)


def test_columns_stand_under_one_another():
    lines = comparison_text.text(SAVED).splitlines()
    first = lines.index("製品ごとの必要数と費用（円）") + 1
    rows = lines[first : first + len(SAVED.products) + 2]
    assert len({sum(2 if unicodedata.east_asian_width(char) in "FW" else 1 for char in row) for row in rows}) == 1


@pytest.mark.parametrize("show", [comparison_text.text, comparison_page.render])
def test_everything_is_said(show):
    shown = show(SAVED)
    assert SAVED.verdict in shown
    assert SAVED.notice in shown
    for product in SAVED.products:
        assert product.rule in shown
    for one in SAVED.layouts:
        assert one.source in shown
    for entry in SAVED.price_lists:
        assert entry.source in shown
    assert "未確認" in shown
    assert "例（実際の価格ではありません）" in shown


def test_the_page_runs_and_fetches_nothing():
    attack = SAVED.model_copy(
        update={
            "verdict": HOSTILE,
            "layouts": tuple(one.model_copy(update={"source": HOSTILE, "name": HOSTILE}) for one in SAVED.layouts),
            "products": tuple(one.model_copy(update={"name": HOSTILE, "source": HOSTILE}) for one in SAVED.products),
            "curves": tuple(one.model_copy(update={"name": HOSTILE}) for one in SAVED.curves),
        }
    )
    page = comparison_page.render(attack)
    assert re.search(r"<(script|img|link|iframe|object|base|form)\b", page) is None
    assert "\u202e" not in page


def boxes(svg: str, colour: str) -> list[float]:
    """Heights of the bars of a colour, from the left."""
    paths = re.findall(rf'<path d="M([\d.-]+),([\d.-]+)h[\d.-]+v([\d.-]+)[^"]*" fill="{colour}"', svg)
    return [abs(float(height)) for _, _, height in sorted(paths, key=lambda path: float(path[0]))]


def test_bars_are_as_high_as_the_yen():
    svg = hosts_and_yen(SAVED.layouts, 5)
    assert svg is not None
    # From the left: 3, 4 and 6 hosts, that is C, B, A. The axis ends 12 % above the highest.
    ordered = sorted(SAVED.layouts, key=lambda one: one.hosts_in_use)
    scale = HEIGHT / (max(one.total_jpy or 0 for one in ordered) * 1.12)
    assert boxes(svg, HOSTS_COLOUR) == pytest.approx([(one.hosts_jpy or 0) * scale for one in ordered], abs=0.01)
    assert boxes(svg, LICENCES_COLOUR) == pytest.approx([(one.licences_jpy or 0) * scale for one in ordered], abs=0.01)


def test_without_host_prices_there_is_no_chart_but_a_word():
    unknown = tuple(one.model_copy(update={"hosts_jpy": None, "total_jpy": None}) for one in SAVED.layouts)
    assert hosts_and_yen(unknown, 5) is None
    assert "図は描けません" in comparison_page.render(SAVED.model_copy(update={"layouts": unknown}))


def test_the_curve_says_its_end():
    curves = [curve for curve in SAVED.curves if curve.rule == "oracle-database-enterprise.processor"]
    svg = fees(curves, "k")
    assert "A は 6 台で 96 Processor、B は 4 台で 64 Processor、C は 3 台で 48 Processor" in svg
