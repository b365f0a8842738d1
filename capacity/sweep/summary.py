"""Scenarios side by side: mean and 95 % interval of each main figure, and the paired difference to the first one.

Simulations of one seed draw the same random numbers in every scenario, so differences are taken seed by seed, and the
interval is Student's t over them. Probabilities count all replications of all seeds (Wilson). With a single seed the
interval of a figure is that of its simulation, over its replications, and a difference has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from capacity.simulation import estimates
from estate.base_records import Record

from . import figures
from .records import Failed, Sweep, Task

FORMAT_VERSION = "1.0"
LABELS = {
    "deadline_missed": "期限切れの確率",
    "window_overrun": "枠超過の確率",
    "worst_lateness_s": "最大の期限遅れ",
    "worst_overrun_s": "最大の枠超過",
    "rerun_room_lost": "再実行の余裕がない確率",
    "worst_delay_s": "最大の計画遅れ",
    "mean_delay_s": "平均の計画遅れ",
}
"""The main figures and their names, the gravest first: the first one that differs says which scenario is better."""


class Mean(Record):
    """A mean and its 95 % interval; null where nothing is known about its spread."""

    mean: float
    low_95: float | None
    high_95: float | None


class ScenarioFigure(Record):
    """One figure of a scenario over all its seeds."""

    name: str
    value: Mean
    difference: Mean | None
    """To the first scenario; null for itself, or where no seed is finished in both."""


class ScenarioSummary(Record):
    """One scenario."""

    name: str
    plan: str
    seeds: int
    """Finished ones."""
    figures: tuple[ScenarioFigure, ...]


class FailedRun(Record):
    """A simulation that has no figures."""

    scenario: str
    seed: int
    reason: str


class SweepSummary(Record):
    """`summary.json`."""

    format_version: str = FORMAT_VERSION
    verdict: str
    scenarios: tuple[ScenarioSummary, ...]
    failed: tuple[FailedRun, ...]


@dataclass(frozen=True)
class _Seen:
    """A figure of one simulation."""

    mean: float
    low_95: float | None
    high_95: float | None
    replications: int
    is_chance: bool


_BySeed = dict[int, _Seen]


def summarise(
    sweep: Sweep, finished: Iterable[tuple[int, int, bytes]], failed: Sequence[tuple[Task, Failed]]
) -> SweepSummary:
    """The scenarios of a sweep side by side. `finished` are place of the scenario, seed and Parquet bytes."""
    seen: list[dict[str, _BySeed]] = [{} for _ in sweep.scenarios]
    for place, seed, data in finished:
        for name, found in _overall(data):
            seen[place].setdefault(name, {})[seed] = found
    summaries = tuple(
        ScenarioSummary(
            name=scenario.name,
            plan=scenario.plan.written,
            seeds=max((len(by_seed) for by_seed in figures_seen.values()), default=0),
            figures=tuple(
                ScenarioFigure(
                    name=name,
                    value=_over_seeds(list(by_seed.values())),
                    difference=_difference(by_seed, seen[0].get(name, {})) if place else None,
                )
                for name, by_seed in figures_seen.items()
            ),
        )
        for place, (scenario, figures_seen) in enumerate(zip(sweep.scenarios, seen, strict=True))
    )
    missing = tuple(
        FailedRun(scenario=task.scenario, seed=task.seed, reason=failure.reason) for task, failure in failed
    )
    return SweepSummary(verdict=_verdict(summaries, missing, sweep), scenarios=summaries, failed=missing)


def _overall(data: bytes) -> Iterator[tuple[str, _Seen]]:
    whole = figures.from_bytes(data)
    for row in whole.filter(pc.equal(whole["scope"], "all")).to_pylist():
        is_chance = row["method"] == "wilson"
        yield row["figure"], _Seen(row["mean"], row["low_95"], row["high_95"], row["replications"], is_chance)


def _over_seeds(found: Sequence[_Seen]) -> Mean:
    """Mean and 95 % interval over the seeds; of a probability over all replications of all seeds (Wilson)."""
    if len(found) == 1:
        return Mean(mean=found[0].mean, low_95=found[0].low_95, high_95=found[0].high_95)
    if all(one.is_chance for one in found):
        happened = sum(round(one.mean * one.replications) for one in found)
        share = estimates.counted(happened, sum(one.replications for one in found))
        return Mean(mean=share.share, low_95=share.low_95, high_95=share.high_95)
    return _students([one.mean for one in found])


def _difference(found: _BySeed, first: _BySeed) -> Mean | None:
    """The paired difference. Probabilities that were equal with every seed have no interval: Student's t would say
    that they can never differ.
    """
    both = [seed for seed in found if seed in first]
    if not both:
        return None
    differences = [found[seed].mean - first[seed].mean for seed in both]
    if found[both[0]].is_chance and len(set(differences)) == 1:
        return Mean(mean=differences[0], low_95=None, high_95=None)
    return _students(differences)


def _students(values: Sequence[float]) -> Mean:
    """Mean and 95 % interval of independent values (Student's t)."""
    array = np.array(values)
    mean, half = float(array.mean()), estimates.half_width(array)
    if half is None:
        return Mean(mean=mean, low_95=None, high_95=None)
    return Mean(mean=mean, low_95=mean - half, high_95=mean + half)


def _verdict(summaries: Sequence[ScenarioSummary], failed: Sequence[FailedRun], sweep: Sweep) -> str:
    size = f"{len(sweep.scenarios):,} 条件を種 {len(sweep.seeds):,} 通りで模擬"
    if failed:
        first = f"「{failed[0].scenario}」種 {failed[0].seed}{' など' if len(failed) > 1 else ''}"
        return f"判定：未完 — {size}し、うち {len(failed):,} 回は結果がありません（{first}）"
    if len(summaries) == 1:
        return f"判定：完了 — {size}"
    differing = [name for name in LABELS if len({value for value, _ in _means(summaries, name)}) > 1]
    if not differing:
        return f"判定：差なし — {size}し、遅れはどの条件でも同じです"
    sure = next((name for name in differing if _differs_surely(summaries, name)), None)
    name = sure or differing[0]
    best, worst = (chosen(_means(summaries, name), key=lambda pair: pair[0]) for chosen in (min, max))
    label, unit, _ = scale(name)
    extremes = (
        f"{label}は「{best[1]}」が最小（{spoken(name, best[0])} {unit}）、"
        f"「{worst[1]}」が最大（{spoken(name, worst[0])} {unit}）"
    )
    if sure is not None:
        return f"判定：差あり — {size}。{extremes}"
    why = "種が 1 つでは差に区間がありません" if len(sweep.seeds) == 1 else "0 を含まない差の区間はありません"
    return f"判定：差は不確か — {size}。{extremes}。{why}"


def _means(summaries: Sequence[ScenarioSummary], name: str) -> list[tuple[float, str]]:
    return [(f.value.mean, summary.name) for summary in summaries for f in summary.figures if f.name == name]


def _differs_surely(summaries: Sequence[ScenarioSummary], name: str) -> bool:
    """Whether the interval of some scenario's paired difference to the first leaves out 0."""
    differences = [f.difference for summary in summaries for f in summary.figures if f.name == name]
    return any(
        d is not None and d.low_95 is not None and d.high_95 is not None and (d.low_95 > 0 or d.high_95 < 0)
        for d in differences
    )


def main_figures(summary: SweepSummary) -> list[str]:
    """Names of the main figures, the gravest first; those that are equal in all scenarios come last."""
    values: dict[str, set[float]] = {}
    for scenario in summary.scenarios:
        for figure in scenario.figures:
            values.setdefault(figure.name, set()).add(figure.value.mean)
    return sorted((name for name in LABELS if name in values), key=lambda name: len(values[name]) == 1)


def scale(name: str) -> tuple[str, str, float]:
    """What people call a figure, the unit in which they read it, and how many of it one of ours is."""
    return LABELS.get(name, name), *(("分", 1 / 60) if name.endswith("_s") else ("%", 100.0))


def spoken(name: str, value: float, sign: str = "") -> str:
    """A figure's number in the unit of `scale`; `sign` is "" or "+"."""
    _, unit, factor = scale(name)
    digits = 1 if unit == "分" else 2
    return f"{round(value * factor, digits) + 0.0:{sign},.{digits}f}"
