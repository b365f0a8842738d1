"""Why a VM found no host, in one Japanese sentence that names VM, resource, need and the best host."""

from __future__ import annotations

import numpy as np

from capacity.records import Ints, Misfit

from .problem import CORES_SLACK, RESOURCES, PackingProblem

_LABELS = {
    "memory": ("メモリ", "GiB"),
    "disk": ("ディスク", "GiB"),
    "vcpu": ("vCPU", "個"),
    "capacity": ("CPU 負荷", "コア"),
}
_COLUMNS = (*RESOURCES, "capacity")


def too_large(site: str, problem: PackingProblem, item: int) -> Misfit:
    """An item that does not fit any bin even alone; the bin that comes nearest is named."""
    need = np.append(problem.need[item], problem.load[item].max(initial=0.0))
    room = np.column_stack((problem.room, problem.cores))
    excess = need / np.maximum(room, 1e-12)
    best = int(excess.max(axis=1).argmin())
    column = int(excess[best].argmax())
    label, unit = _LABELS[_COLUMNS[column]]
    return Misfit(
        _COLUMNS[column],
        f"仮想サーバ {problem.item_names[item]} は{label} {need[column]:,.10g} {unit}を必要としますが、"
        f"拠点 {site} で最も余裕のあるホスト {problem.bin_names[best]} でも {room[best, column]:,.10g} {unit}です"
        "（予備ホストを除き、予備が引き継げる量まで）",
    )


def without_room(site: str, problem: PackingProblem, item: int, bin_of: Ints) -> Misfit:
    """An item that would fit an empty bin, but found all of them too full, or held by items it keeps apart from."""
    allowed = [index for index in range(len(problem.bin_names)) if not _kept_apart(problem, item, index, bin_of)]
    if not allowed:
        return Misfit(
            "anti_affinity",
            f"仮想サーバ {problem.item_names[item]} は同居できない仮想サーバが拠点 {site} の使えるホスト"
            f" {len(problem.bin_names)} 台すべてにあり、置けません",
        )
    need = np.append(problem.need[item], 0.0)
    free = np.empty((len(allowed), len(_COLUMNS)))
    for row, index in enumerate(allowed):
        here = np.flatnonzero(bin_of == index)
        with_item = problem.load[here].sum(axis=0) + problem.load[item]
        free[row, :-1] = problem.room[index] - problem.need[here].sum(axis=0)
        free[row, -1] = problem.cores[index] + CORES_SLACK - with_item.max(initial=0.0)
    short = (need - free) / np.maximum(np.append(problem.room.max(axis=0), problem.cores.max()), 1e-12)
    best = int(short.max(axis=1).argmin())
    column = int(short[best].argmax())
    label, unit = _LABELS[_COLUMNS[column]]
    host = problem.bin_names[allowed[best]]
    start = (
        f"仮想サーバ {problem.item_names[item]} を置く空きが"
        f"拠点 {site} の使えるホスト {len(problem.bin_names)} 台にありません"
    )
    if _COLUMNS[column] == "capacity":
        return Misfit(
            "capacity", f"{start}（最も近い {host} では{label}がコア数を {-free[best, -1]:,.2f} {unit}超えます）"
        )
    return Misfit(
        _COLUMNS[column],
        f"{start}（{label} {need[column]:,.10g} {unit}が必要、"
        f"最も近い {host} の空きは {max(0.0, free[best, column]):,.10g} {unit}）",
    )


def _kept_apart(problem: PackingProblem, item: int, index: int, bin_of: Ints) -> bool:
    here = set(np.flatnonzero(bin_of == index).tolist())
    if any(item in group and here & set(group) for group in problem.apart):
        return True
    return problem.kind is not None and any(problem.kind[other] != problem.kind[item] for other in here)
