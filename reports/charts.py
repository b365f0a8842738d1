"""Charts as SVG text, drawn by Altair when the report is made, so that the page needs neither scripts nor a network.

No name of an estate enters a chart specification: series are numbers there, the legend is HTML. Nothing in a drawing
depends on the fonts of the machine that draws: positions are fixed, no text is measured.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, NamedTuple

import altair as alt
import vl_convert

from .load import WEEK_SLOTS, WeekLoad
from .markup import Markup, escaped

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 940, 48, 12, 22, 24
SLOTS_PER_DAY = 144
COLOURS = (
    "#33658a", "#e3963e", "#4f9d69", "#c8553d", "#7a6bb0", "#b9a02c", "#4ba3b8", "#c977a8", "#8a6240", "#86ba5f",
    "#27506b", "#a23b5b",
)  # fmt: skip
SHARED_COLOUR = "#8b949e"
LIMIT_COLOUR = "#a01c1c"
INK, GRID = "#3a4148", "#dfe3e8"
_WEEKDAYS = "月火水木金土日"


def colours(week: WeekLoad) -> tuple[str, ...]:
    """The colour of every series of a week, from the bottom."""
    own = iter(COLOURS * (len(week.series) // len(COLOURS) + 1))
    return tuple(SHARED_COLOUR if series.shared else next(own) for series in week.series)


def stacked_week(
    week: WeekLoad,
    *,
    before: bool,
    top: float,
    limit: float | None,
    height: int,
    title: str,
    description: str,
    key: str,
) -> Markup:
    """A week's load stacked by tenant in steps of 10 minutes; `top` ends the axis, `limit` is the capacity line.

    `key` makes the ids of the title and description unique on the page.
    """
    x = alt.X("x:Q", scale=alt.Scale(domain=[0, WEEK_SLOTS], nice=False), axis=_day_axis())
    y_axis = alt.Axis(title=None, tickCount=5, labelOverlap=False, format=",~f", labelFontSize=11, gridColor=GRID)
    y = alt.Y("y0:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=y_axis)
    paint = colours(week)
    numbers = [f"{number:02d}" for number in range(len(paint))]
    colour = alt.Color("s:N", scale=alt.Scale(domain=numbers, range=list(paint)), legend=None)
    layers: list[Any] = []
    if week.planned_slots < WEEK_SLOTS:
        outside = chart_rows([{"x": week.planned_slots, "x2": WEEK_SLOTS}])
        layers.append(alt.Chart(outside).mark_rect(color="#eef0f3", aria=False).encode(x="x:Q", x2="x2:Q"))
    layers.append(
        alt.Chart(chart_rows(_steps(week, before=before)))
        .mark_area(interpolate="step-after", aria=False)
        .encode(x=x, y=y, y2="y1:Q", color=colour)
    )
    if limit is not None:
        line = chart_rows([{"y": limit}])
        layers.append(
            alt.Chart(line)
            .mark_rule(color=LIMIT_COLOUR, strokeDash=[6, 3], strokeWidth=1.5, aria=False)
            .encode(y="y:Q")
        )
        layers.append(
            lettering(
                line, f"能力 {limit:,.0f} コア（使用中のホスト）", color=LIMIT_COLOUR, align="right", dy=-10
            ).encode(x=alt.value(WIDTH - 4), y="y:Q")
        )
    layers.append(lettering(chart_rows([{}]), "コア", align="right").encode(x=alt.value(-8), y=alt.value(-12)))
    days: list[dict[str, float | str]] = [
        {"x": day * SLOTS_PER_DAY + SLOTS_PER_DAY / 2, "t": _day(week, day)} for day in range(7)
    ]
    layers.append(
        alt.Chart(chart_rows(days))
        .mark_text(fontSize=12, color=INK, aria=False)
        .encode(x="x:Q", y=alt.value(height + 14), text="t:N")
    )
    return drawn(layers, Frame(WIDTH, height, LEFT, RIGHT, TOP, BOTTOM), title, description, key)


class Frame(NamedTuple):
    """Pixels of a chart: the plot, and the room around it for names of axes."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int


def drawn(layers: Sequence[Any], frame: Frame, title: str, description: str, key: str) -> Markup:
    """One chart of several layers as inline SVG; `key` keeps its ids apart from those of other charts."""
    chart = (
        alt.layer(*layers)
        .properties(
            width=frame.width,
            height=frame.height,
            autosize=alt.AutoSizeParams(type="none"),
            padding={"left": frame.left, "right": frame.right, "top": frame.top, "bottom": frame.bottom},
            background="white",
        )
        .configure_view(stroke=None)
        .configure_axis(domainColor=INK, labelColor=INK, tickColor=INK)
        .configure(font="sans-serif")
    )
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    size = (frame.width + frame.left + frame.right, frame.height + frame.top + frame.bottom)
    return inline(svg, size, title, description, key)


def lettering(
    data: alt.Data, text: str, *, color: str = INK, align: Literal["left", "right"] = "left", dy: int = 0
) -> alt.Chart:
    """Answers the same text at every row."""
    chart: alt.Chart = alt.Chart(data).mark_text(text=text, color=color, align=align, dy=dy, fontSize=12, aria=False)
    return chart


def chart_rows(values: Sequence[Mapping[str, float | str]]) -> alt.Data:
    """Answers rows as data of a chart."""
    return alt.Data(values=list(values))  # type: ignore[no-untyped-call]  # altair ships no types for its data class


def _day_axis() -> alt.Axis:
    ends = [day * SLOTS_PER_DAY for day in range(8)]
    return alt.Axis(title=None, values=ends, labels=False, gridColor=GRID, tickSize=6)


def _day(week: WeekLoad, number: int) -> str:
    day = week.monday + timedelta(days=number)
    return f"{day.month}/{day.day}（{_WEEKDAYS[number]}）"


def _steps(week: WeekLoad, *, before: bool) -> list[dict[str, float | str]]:
    """Lower and upper edge of every series, only where one of them changes, and at the end of the week."""
    base = [0.0] * WEEK_SLOTS
    rows: list[dict[str, float | str]] = []
    for number, series in enumerate(week.series):
        load = series.before if before else series.after
        upper = [round(low + value, 4) for low, value in zip(base, load, strict=True)]
        last: tuple[float, float] | None = None
        for slot, edge in enumerate(zip(base, upper, strict=True)):
            if edge != last:
                rows.append({"s": f"{number:02d}", "x": slot, "y0": edge[0], "y1": edge[1]})
                last = edge
        rows.append({"s": f"{number:02d}", "x": WEEK_SLOTS, "y0": base[-1], "y1": upper[-1]})
        base = upper
    return rows


def inline(svg: str, size: tuple[int, int], title: str, description: str, key: str) -> Markup:
    """Answers a drawing of this width and height as an image with a name and a description, for the page."""
    body = svg[svg.index(">", svg.index("<svg")) + 1 :]
    box = f"0 0 {size[0]} {size[1]}"
    body = re.sub(r' d="(M[^"]{200,})"', _shorter, body)
    return Markup(
        f'<svg class="chart" role="img" viewBox="{box}" aria-labelledby="{key}-t" aria-describedby="{key}-d">'
        f'<title id="{key}-t">{escaped(title)}</title><desc id="{key}-d">{escaped(description)}</desc>{body}'
    )


def _shorter(match: re.Match[str]) -> str:
    """The same path in tenths of a pixel, with H and V for its steps: a tenth of the bytes."""
    path = match[1]
    if re.search(r"[^MLZ0-9.,-]", path):
        return match[0]
    words: list[str] = []
    at: tuple[str, str] | None = None
    for command, across, down in re.findall(r"([ML])([0-9.-]+),([0-9.-]+)", path):
        to = (_tenth(across), _tenth(down))
        if command == "M" or at is None:
            words.append(f"M{to[0]},{to[1]}")
        elif to == at:
            continue
        elif to[1] == at[1]:
            words.append(f"H{to[0]}")
        elif to[0] == at[0]:
            words.append(f"V{to[1]}")
        else:
            words.append(f"L{to[0]},{to[1]}")
        at = to
    return f' d="{"".join(words)}Z"'


def _tenth(number: str) -> str:
    return f"{float(number) + 0.0:.1f}".removesuffix(".0")
