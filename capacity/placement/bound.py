"""How many bins a packing problem needs at least, and the sentence that proves it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from capacity.records import Bools, Floats

from .problem import SLACK, PackingProblem

_LABELS = {"memory": "メモリ", "disk": "ディスク", "vcpu": "vCPU"}
_UNITS = {"memory": " GiB", "disk": " GiB"}


def needed_bins(problem: PackingProblem, resources: tuple[str, ...]) -> tuple[int, str]:
    """A number of bins that no valid packing can go below, and why (one Japanese sentence).

    The largest of: total over largest bins, per resource and per time block; the bound L2 of Martello and Toth
    (1990, Knapsack Problems, 8.3) per resource; items of which no two share a bin; and where kinds keep apart, the sum
    over the kinds. Every item must fit some bin alone. Sizes below 0, as some published instances have, let two items
    share a bin once a third has joined them: then only the totals count.
    """
    if not problem.item_names:
        return 0, "仮想サーバがないため 0 台です"
    bound, proof = max(_bounds(problem, resources), key=lambda found: found[0])
    if problem.kind is not None:
        kinds = np.unique(problem.kind)
        parts = [needed_bins(_of_kind(problem, int(kind)), resources)[0] for kind in kinds] if len(kinds) > 1 else []
        if sum(parts) > bound:
            return sum(parts), f"セグメントごとに必要な台数 {'＋'.join(map(str, parts))} の和です"
    return bound, proof


def _of_kind(problem: PackingProblem, kind: int) -> PackingProblem:
    assert problem.kind is not None  # noqa: S101 - the caller has looked
    return problem.only(np.flatnonzero(problem.kind == kind))


def _bounds(problem: PackingProblem, resources: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    never_negative = bool((problem.need >= 0).all())
    yield 1, "仮想サーバがあるため 1 台は必要です"
    for column, resource in enumerate(resources):
        label = _LABELS.get(resource, resource)
        total = float(problem.need[:, column].sum())
        yield (
            _largest_bins(total, problem.room[:, column]),
            f"{label}の合計 {total:,.0f}{_UNITS.get(resource, '')} を、大きいホストから順に足した容量で割った台数です",
        )
        capacity = float(problem.room[:, column].max()) * (1 + SLACK)
        if not never_negative:
            continue
        yield (
            _martello_toth(problem.need[:, column], capacity),
            f"{label}が大きく互いに同居できない仮想サーバと、残りの合計から求めた台数です（Martello-Toth の L2）",
        )
    highest = float(problem.load.sum(axis=0).max(initial=0.0))
    yield (
        _largest_bins(highest, problem.cores),
        f"10 分ごとの CPU 負荷の最大 {highest:,.1f} コアを、大きいホストから順に足したコア数で割った台数です",
    )
    if never_negative:
        clique = _pairwise_apart(problem)
        yield clique, f"互いに同居できない仮想サーバが {clique} 台あります"


def _largest_bins(total: float, room: Floats) -> int:
    """Fewest bins whose rooms add up to the total; beyond those there are, bins like the largest one."""
    reach = np.cumsum(np.sort(room)[::-1]) * (1 + SLACK)
    enough = int(np.searchsorted(reach, total - 1e-6))
    if enough < len(reach):
        return enough + 1 if total > 1e-6 else 0
    return len(reach) + math.ceil((total - 1e-6 - float(reach[-1])) / float(room.max()))


def _martello_toth(need: Floats, capacity: float) -> int:
    """L2: for each threshold, items above half a bin need one each; the small ones fill what these leave free."""
    sizes = np.sort(need[need > 0])[::-1]
    best = 0
    for threshold in np.unique(np.append(sizes[sizes <= capacity / 2], 0.0)):
        huge = sizes > capacity - threshold
        large = (sizes > capacity / 2) & ~huge
        small = (sizes <= capacity / 2) & (sizes >= threshold)
        left = float(sizes[small].sum()) - (int(large.sum()) * capacity - float(sizes[large].sum()))
        extra = math.ceil(left / capacity - 1e-9) if left > 0 else 0
        best = max(best, int(huge.sum() + large.sum()) + extra)
    return best


def _pairwise_apart(problem: PackingProblem) -> int:
    """Size of a set of items, found greedily, of which no two fit into one bin together."""
    items = len(problem.item_names)
    together: Bools = np.zeros((items, items), dtype=np.bool_)
    for limit in np.unique(problem.limit, axis=0):
        together |= (problem.need[:, None, :] + problem.need[None, :, :] <= limit).all(axis=2)
    apart = ~together
    for group in problem.apart:
        apart[np.ix_(group, group)] = True
    if problem.kind is not None:
        apart |= problem.kind[:, None] != problem.kind[None, :]
    np.fill_diagonal(apart, False)
    best = 1
    for first in np.argsort(-apart.sum(axis=1), kind="stable")[:50].tolist():
        size, candidates = 1, apart[first].copy()
        while candidates.any():
            degrees = np.where(candidates, apart[:, candidates].sum(axis=1), -1)
            chosen = int(degrees.argmax())
            candidates &= apart[chosen]
            size += 1
        best = max(best, size)
    return best
