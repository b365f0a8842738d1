"""Charts of the comparison of layouts, as SVG text: hosts against yen, and more servers, more fees.

Layouts are letters here; their names are in the page's tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import altair as alt

from layout.comparison_records import ComparedLayout, FeeCurve

from .charts import COLOURS, GRID, INK, Frame, chart_rows, drawn, lettering
from .markup import Markup

WIDTH, HEIGHT = 860, 300
LEFT = 84
FRAME = Frame(WIDTH, HEIGHT, LEFT, right=24, top=30, bottom=50)
HOSTS_COLOUR, LICENCES_COLOUR = COLOURS[0], COLOURS[1]
MILLION = 1_000_000


def colour(letter: str) -> str:
    """The colour of a layout."""
    return COLOURS[(ord(letter) - ord("A")) % len(COLOURS)]


def hosts_and_yen(layouts: Sequence[ComparedLayout], years: int) -> Markup | None:
    """Every layout at its number of hosts: yen of the hosts with those of the licences on top.

    None where no layout has both.
    """
    known = [one for one in layouts if one.hosts_jpy is not None and one.licences_jpy is not None]
    if not known:
        return None
    places = {one.letter: one.hosts_in_use + one.hosts_spare for one in known}
    most = max(places.values())
    width = max(most, 4) * 0.03
    beside: Counter[int] = Counter()
    values: list[dict[str, float | str]] = []
    for one in known:
        at = places[one.letter]
        # Layouts with the same number of hosts stand beside one another.
        middle = at + (beside[at] - (sum(place == at for place in places.values()) - 1) / 2) * width * 1.15
        beside[at] += 1
        low, high = (one.hosts_jpy or 0) / MILLION, ((one.hosts_jpy or 0) + (one.licences_jpy or 0)) / MILLION
        values.append(
            {"t": one.letter, "x": middle, "a": middle - width / 2, "b": middle + width / 2, "m": low, "y": high}
        )
    top = max(float(value["y"]) for value in values) * 1.12 or 1.0
    x = alt.X("a:Q", scale=alt.Scale(domain=[0, most + 1], nice=False), axis=_axis(tick=min(most + 1, 16)))
    y = alt.Y("z:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=_axis())
    data = chart_rows([value | {"z": 0} for value in values])
    layers: list[Any] = [
        alt.Chart(data).mark_rect(color=HOSTS_COLOUR, aria=False).encode(x=x, x2="b:Q", y=y, y2="m:Q"),
        alt.Chart(data).mark_rect(color=LICENCES_COLOUR, aria=False).encode(x="a:Q", x2="b:Q", y="m:Q", y2="y:Q"),
        alt.Chart(data)
        .mark_text(fontSize=14, fontWeight="bold", color=INK, dy=-9, aria=False)
        .encode(x="x:Q", y="y:Q", text="t:N"),
        *_axis_names("ホスト（台、予備を含む）", f"百万円（{years} 年、税抜き）"),
    ]
    said = "、".join(
        f"{one.letter} は {places[one.letter]} 台で {one.total_jpy:,} 円" for one in known if one.total_jpy is not None
    )
    return drawn(layers, FRAME, "ホストの台数と、ホストとライセンスの費用", said, "hosts-yen")


def fees(curves: Sequence[FeeCurve], key: str) -> Markup:
    """What one product counts when its VMs may use so many hosts, a line per layout."""
    most = max(len(curve.points) for curve in curves)
    top = max(point.quantity for curve in curves for point in curve.points) * 1.12 or 1.0
    x = alt.X("x:Q", scale=alt.Scale(domain=[0, most + 1], nice=False), axis=_axis(tick=min(most + 1, 16)))
    y = alt.Y("y:Q", scale=alt.Scale(domain=[0, top], nice=False), axis=_axis())
    layers: list[Any] = []
    for number, curve in enumerate(curves):
        paint = colour(curve.letter)
        line: list[dict[str, float | str]] = [{"x": point.hosts, "y": point.quantity} for point in curve.points]
        layers.append(
            alt.Chart(chart_rows(line))
            .mark_line(
                color=paint, strokeWidth=2.5, point={"color": paint, "size": 30}, strokeDash=[6, 2 * number], aria=False
            )
            .encode(x=x, y=y)
        )
        end = chart_rows([line[-1] | {"t": curve.letter}])
        layers.append(
            alt.Chart(end)
            .mark_text(fontSize=13, fontWeight="bold", color=paint, dx=14 * number, dy=-14, aria=False)
            .encode(x="x:Q", y="y:Q", text="t:N")
        )
    first = curves[0]
    layers += _axis_names("仮想サーバが動けるホスト（台）", "必要数")
    said = "、".join(
        f"{curve.letter} は {curve.points[-1].hosts} 台で {curve.points[-1].quantity:g} {curve.unit}"
        for curve in curves
    )
    return drawn(layers, FRAME, f"{first.name}：ホストが増えると必要数が増える", said, key)


def _axis(tick: int = 6) -> alt.Axis:
    return alt.Axis(
        title=None, tickCount=tick, labelOverlap=False, format=",~f", labelFontSize=12, gridColor=GRID, tickMinStep=1
    )


def _axis_names(across: str, up: str) -> list[Any]:
    return [
        lettering(chart_rows([{}]), across, align="right").encode(x=alt.value(WIDTH), y=alt.value(HEIGHT + 38)),
        lettering(chart_rows([{}]), up).encode(x=alt.value(-LEFT + 8), y=alt.value(-14)),
    ]
