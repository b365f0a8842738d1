"""Scenarios side by side: mean and 95 % interval of each main figure, and the paired difference to the first one.

Simulations of one seed draw the same random numbers in every scenario, so differences are taken seed by seed, and the
interval is Student's t over them. With a single seed the interval of a figure is that of its simulation, over its
replications, and a difference has none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats  # type: ignore[import-untyped]  # scipy ships no type information

from estate.base_records import Record

from . import figures
from .records import Failed, Sweep, Task

FORMAT_VERSION = "1.0"
LABELS = {
    "deadline_missed": "期限切れの確率",
    "worst_lateness_s": "最大の期限遅れ",
    "worst_overrun_s": "最大の枠超過",
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


Values = dict[str, dict[int, tuple[float, float | None, float | None]]]
"""Figure -> seed -> mean and interval of that one simulation."""


def summarise(
    sweep: Sweep, finished: Iterable[tuple[int, int, bytes]], failed: Sequence[tuple[Task, Failed]]
) -> SweepSummary:
    """The scenarios of a sweep side by side. `finished` are place of the scenario, seed and Parquet bytes."""
    values: list[Values] = [{} for _ in sweep.scenarios]
    for place, seed, data in finished:
        for row in _overall(data):
            values[place].setdefault(str(row["figure"]), {})[seed] = (row["mean"], row["low_95"], row["high_95"])
    summaries = tuple(
        ScenarioSummary(
            name=scenario.name,
            plan=scenario.plan.written,
            seeds=max((len(by_seed) for by_seed in found.values()), default=0),
            figures=tuple(
                ScenarioFigure(
                    name=name,
                    value=_mean(list(by_seed.values())),
                    difference=_difference(by_seed, values[0].get(name, {})) if place else None,
                )
                for name, by_seed in found.items()
            ),
        )
        for place, (scenario, found) in enumerate(zip(sweep.scenarios, values, strict=True))
    )
    missing = tuple(
        FailedRun(scenario=task.scenario, seed=task.seed, reason=failure.reason) for task, failure in failed
    )
    return SweepSummary(verdict=_verdict(summaries, missing, sweep), scenarios=summaries, failed=missing)


def _overall(data: bytes) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = figures.from_bytes(data).to_pylist()
    return [row for row in rows if row["scope"] == "all"]


def _mean(found: Sequence[tuple[float, float | None, float | None]]) -> Mean:
    if len(found) == 1:
        mean, low, high = found[0]
        return Mean(mean=mean, low_95=low, high_95=high)
    return _students([mean for mean, _, _ in found])


def _difference(
    found: Mapping[int, tuple[float, float | None, float | None]],
    first: Mapping[int, tuple[float, float | None, float | None]],
) -> Mean | None:
    both = [found[seed][0] - first[seed][0] for seed in found if seed in first]
    return _students(both) if both else None


def _students(values: Sequence[float]) -> Mean:
    """Mean and 95 % interval of independent values (Student's t)."""
    array = np.array(values)
    mean, count = float(array.mean()), len(array)
    if count == 1:
        return Mean(mean=mean, low_95=None, high_95=None)
    half = float(stats.t.ppf(0.975, count - 1) * array.std(ddof=1) / math.sqrt(count))
    return Mean(mean=mean, low_95=mean - half, high_95=mean + half)


def _verdict(summaries: Sequence[ScenarioSummary], failed: Sequence[FailedRun], sweep: Sweep) -> str:
    size = f"{len(sweep.scenarios):,} 条件を種 {len(sweep.seeds):,} 通りで模擬"
    if failed:
        first = f"「{failed[0].scenario}」種 {failed[0].seed}{' など' if len(failed) > 1 else ''}"
        return f"判定：未完 — {size}し、うち {len(failed):,} 回は結果がありません（{first}）"
    if len(summaries) == 1:
        return f"判定：完了 — {size}"
    for name in LABELS:
        found = [
            (figure.value.mean, summary) for summary in summaries for figure in summary.figures if figure.name == name
        ]
        if found and len({value for value, _ in found}) > 1:
            best = min(found, key=lambda pair: pair[0])
            worst = max(found, key=lambda pair: pair[0])
            return (
                f"判定：差あり — {size}。{label(name)}は「{best[1].name}」が最小（{shown(name, best[0])}）、"
                f"「{worst[1].name}」が最大（{shown(name, worst[0])}）"
            )
    return f"判定：差なし — {size}し、遅れはどの条件でも同じです"


def label(name: str) -> str:
    """What people call a figure."""
    return LABELS.get(name, name)


def shown(name: str, value: float, sign: str = "") -> str:
    """A figure as people read it: seconds as minutes, probabilities in percent; `sign` is "" or "+"."""
    if name.endswith("_s"):
        return f"{round(value / 60, 1) + 0.0:{sign},.1f} 分"
    return f"{round(value * 100, 2) + 0.0:{sign}.2f} %"
