"""The report's section on CPU load: peaks per site, and the tightest week before and after levelling."""

from __future__ import annotations

from datetime import timedelta

from layout.wareki import wareki_time

from . import charts
from .figures import number, share, week_name
from .load import WeekLoad
from .markup import Markup, join, table, tag
from .record import ReportRecord, SiteReport

_WEEKDAYS = "月火水木金土日"
_ENLARGE_BELOW = 0.6
"""A load that fills less of the common scale than this is drawn once more on its own scale."""


def load_section(record: ReportRecord) -> Markup:
    """Peaks, and the charts of every site with load."""
    peaks = [(site, site.peak) for site in record.sites if site.peak is not None]
    overview = table(
        "拠点ごとの CPU の最大（10分ごとの平均、オンライン負荷を含む）",
        ("拠点", "平準化の前", "平準化の後", "前に対する後", "証明した下限", "能力", "余裕"),
        (
            (
                site.name,
                join((f"{number(peak.before_cores, 1)} コア", tag("span", wareki_time(peak.before_at), class_="id"))),
                join((f"{number(peak.after_cores, 1)} コア", tag("span", wareki_time(peak.after_at), class_="id"))),
                share(peak.after_cores, peak.before_cores),
                f"{number(peak.bound_cores, 1)} コア",
                f"{number(peak.capacity_cores)} コア",
                share(peak.capacity_cores - peak.after_cores, peak.capacity_cores),
            )
            for site, peak in peaks
        ),
        numbers=range(1, 7),
    )
    return join(
        (
            tag(
                "p",
                "「平準化の前」は、同じ制約のもとですべての処理をできるだけ早く始めた場合です。"
                "「能力」は使用中のホストの物理コア数で、予備と空きのホストを含みません。",
            ),
            overview,
            *(_site(site, number_) for number_, site in enumerate(record.sites) if site.week is not None),
        )
    )


def _site(site: SiteReport, place: int) -> Markup:
    week, peak = site.week, site.peak
    if week is None or peak is None:
        return Markup("")
    most = {before: max(week.total(before=before)) for before in (True, False)}
    top = 1.12 * max(*most.values(), peak.capacity_cores)
    figures = [
        _figure(site, week, place, before=before, top=top, limit=peak.capacity_cores) for before in (True, False)
    ]
    if 0 < most[False] < _ENLARGE_BELOW * top:
        figures.append(_figure(site, week, place, before=False, top=1.12 * most[False], limit=None))
    same = None
    if all(series.before == series.after for series in week.series):
        same = tag("p", "この週は、最も早く始めても負荷が変わらないので、前と後は同じです。", class_="soft")
    outside = None
    if week.planned_slots < 7 * 144:
        outside = tag(
            "p",
            "灰色の地の部分は計画期間の後です。計画期間に属する処理の残りだけがあり、オンライン負荷と新しい処理は入っていません。",
            class_="soft",
        )
    return join(
        (
            tag("h3", f"{site.name}：{week_name(week.monday)}"),
            tag(
                "p",
                "平準化の後の負荷が一年で最も大きくなる 10 分を含む週です。縦軸は CPU のコア数、幅は 10 分です。",
                class_="soft",
            ),
            _legend(week),
            same,
            *figures,
            outside,
            _numbers(week),
        )
    )


def _figure(site: SiteReport, week: WeekLoad, place: int, *, before: bool, top: float, limit: float | None) -> Markup:
    total = week.total(before=before)
    most = max(total)
    when = _slot_name(week, total.index(most))
    what = "平準化の前" if before else "平準化の後"
    scale = "縦の目盛を拡大、上の二つとは違います" if limit is None else "前と後は同じ目盛"
    limit_text = "" if limit is None else f"能力の線は {number(limit)} コアです。"
    key = f"chart-{place}-{'before' if before else 'after' if limit is not None else 'zoom'}"
    description = f"団体ごとに積み上げた CPU 負荷。最大は{when}の {number(most, 1)} コア。{limit_text}"
    drawing = charts.stacked_week(
        week,
        before=before,
        top=top,
        limit=limit,
        height=240 if limit is None else 200,
        title=f"{site.name} {what}（{scale}）",
        description=description,
        key=key,
    )
    return tag(
        "figure",
        tag("figcaption", what, "（拡大）" if limit is None else None,
            tag("small", f"この週の最大 {number(most, 1)} コア（{when}）・{scale}")),
        drawing,
    )  # fmt: skip


def _legend(week: WeekLoad) -> Markup:
    """From the top of the stack to its bottom."""
    items = [
        tag("li", tag("i", style=f"background:{colour}"), series.name)
        for series, colour in zip(week.series, charts.colours(week), strict=True)
    ]
    return tag("ul", *reversed(items), class_="legend", aria_label="凡例（積み上げの上から順）")


def _numbers(week: WeekLoad) -> Markup:
    """The charts as tables."""
    before, after = week.total(before=True), week.total(before=False)
    days = []
    for day in range(7):
        slots = slice(day * 144, (day + 1) * 144)
        date = week.monday + timedelta(days=day)
        days.append(
            (
                f"{date.month}月{date.day}日（{_WEEKDAYS[day]}）",
                number(max(before[slots]), 1),
                number(max(after[slots]), 1),
                number(sum(before[slots]) / 6, 1),
                number(sum(after[slots]) / 6, 1),
            )
        )
    whole = sum(series.core_hours for series in week.series)
    tenants = (
        (series.name, number(series.core_hours, 1), share(series.core_hours, whole), number(max(series.before), 1),
         number(max(series.after), 1))
        for series in week.series
    )  # fmt: skip
    return tag(
        "details",
        tag("summary", "この週を表で見る"),
        table(
            "日ごとの負荷",
            ("日", "最大・前（コア）", "最大・後（コア）", "合計・前（コア時）", "合計・後（コア時）"),
            days,
            numbers=range(1, 5),
        ),
        table(
            "団体ごとの負荷",
            ("団体", "合計・後（コア時）", "割合", "最大・前（コア）", "最大・後（コア）"),
            tenants,
            numbers=range(1, 5),
        ),
    )


def _slot_name(week: WeekLoad, slot: int) -> str:
    day = week.monday + timedelta(days=slot // 144)
    minute = slot % 144 * 10
    return f"{day.month}月{day.day}日（{_WEEKDAYS[slot // 144]}）{minute // 60:02d}:{minute % 60:02d}"
