"""Drawings show the load they are given."""

from __future__ import annotations

import re
from datetime import date

import pytest

from reports import charts
from reports.load import WEEK_SLOTS, Series, WeekLoad

HEIGHT = 200


def week(*rows: tuple[float, ...], planned: int = WEEK_SLOTS) -> WeekLoad:
    series = tuple(Series(f"団体{i}", shared=False, before=row, after=row) for i, row in enumerate(rows))
    return WeekLoad(date(2027, 6, 7), planned, series)


def draw(load: WeekLoad, top: float = 10.0, limit: float | None = 8.0) -> str:
    return charts.stacked_week(
        load, before=True, top=top, limit=limit, height=HEIGHT, title="題", description="説明", key="k"
    )


def steps(value: float, since: int, until: int) -> tuple[float, ...]:
    return tuple(value if since <= slot < until else 0.0 for slot in range(WEEK_SLOTS))


def areas(svg: str) -> list[str]:
    """Paths of the areas, from the bottom of the stack."""
    colours = "|".join(charts.COLOURS)
    return re.findall(rf'<path d="([^"]+)" fill="(?:{colours})"', svg)


def test_a_block_of_load_is_drawn_at_its_time_and_height():
    svg = draw(week(steps(5.0, 144, 288)))
    (path,) = areas(svg)
    left, right = (charts.WIDTH * slot / WEEK_SLOTS for slot in (144, 288))
    across = [float(x) for x in re.findall(r"[MLH](-?[0-9.]+)", path)]
    assert any(x == pytest.approx(left, abs=0.06) for x in across)
    assert any(x == pytest.approx(right, abs=0.06) for x in across)
    heights = {float(y) for y in re.findall(r"(?:,|V)(-?[0-9.]+)", path)}
    assert heights == {HEIGHT / 2, HEIGHT}


def test_loads_stand_on_one_another():
    svg = draw(week(steps(2.0, 0, WEEK_SLOTS), steps(3.0, 0, WEEK_SLOTS)))
    lower, upper = areas(svg)
    assert {float(y) for y in re.findall(r"(?:,|V)(-?[0-9.]+)", lower)} == {200.0, 160.0}
    assert {float(y) for y in re.findall(r"(?:,|V)(-?[0-9.]+)", upper)} == {160.0, 100.0}


def test_short_paths_are_the_same_paths():
    match = re.match(r"(M.*)", "M0,200L0,150.04L0.93,150.04L0.93,150.04L1.87,150.04L1.87,90.5L2.8,91Z")
    assert charts._shorter(match) == ' d="M0,200V150H0.9H1.9V90.5L2.8,91Z"'


def test_a_path_of_another_kind_stays():
    match = re.match(r"(M.*)", "M0,0C1,1,2,2,3,3Z")
    assert charts._shorter(match) == match[0]


def test_names_are_in_the_title_only_and_days_on_the_axis():
    svg = draw(week(steps(1.0, 0, 10)))
    assert "団体0" not in svg
    assert "6/7（月）" in svg
    assert "6/13（日）" in svg
    assert "能力 8 コア" in svg
    assert '<title id="k-t">題</title><desc id="k-d">説明</desc>' in svg


def test_time_after_the_horizon_is_marked():
    assert "#eef0f3" in draw(week(steps(1.0, 0, 10), planned=720))
    assert "#eef0f3" not in draw(week(steps(1.0, 0, 10)))


def test_every_tenant_has_its_own_colour():
    load = week(*(steps(1.0, i, i + 1) for i in range(12)))
    assert len(set(charts.colours(load))) == 12
