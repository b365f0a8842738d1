"""An earlier placement to stay close to, and why VMs leave their hosts all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from capacity.records import Ints, Relocated
from estate.resolved import ResolvedHost, ResolvedVm

from .problem import CORES_SLACK, RESOURCES, PackingProblem

_LABELS = {"memory": ("メモリ", "GiB"), "disk": ("ディスク", "GiB"), "vcpu": ("vCPU", "個")}


@dataclass(frozen=True)
class KeptPlacement:
    """Hosts of an earlier plan, and what somebody wants otherwise."""

    host: Mapping[str, str]
    """Host by VM, as it was. VMs and hosts that are not there any more do no harm."""
    reserve: frozenset[str] = frozenset()
    """Hosts that were kept empty."""
    moves: Mapping[str, str] = field(default_factory=dict)
    """Where these VMs are to run."""
    without: frozenset[str] = frozenset()
    """Hosts that are to carry nothing, not even as a reserve."""


def reserve_choices(by_size: Sequence[ResolvedHost], count: int, kept: KeptPlacement) -> list[list[ResolvedHost]]:
    """Which hosts may stay empty, the best choice first: those of the kept plan, then the largest of all.

    `by_size`: the hosts, the largest first. Hosts that VMs are to be moved to are no reserve while others are; where
    a host that carries VMs has to become one, it is that with the fewest.
    """
    as_before = _as_before(by_size, kept)
    targets = set(kept.moves.values())
    largest = sorted(by_size, key=lambda host: host.id in targets)
    choices = [as_before[:count], largest[:count]]
    return choices if {host.id for host in choices[0]} != {host.id for host in choices[1]} else choices[:1]


def lowered_choices(
    by_size: Sequence[ResolvedHost], count: int, kept: KeptPlacement, without: int
) -> list[list[ResolvedHost]]:
    """Smaller reserves than `count` hosts, the largest first: as many less as reserve hosts are to be used (`--move`)
    and hosts of the site are not to be used (`without`). Nothing where nobody wished for such a thing.
    """
    targets = set(kept.moves.values())
    less = without + sum(host.id in targets and host.id in kept.reserve for host in by_size)
    free = [host for host in _as_before(by_size, kept) if host.id not in targets]
    return [free[:size] for size in range(count - 1, max(count - less, 0) - 1, -1) if size <= len(free)]


def _as_before(by_size: Sequence[ResolvedHost], kept: KeptPlacement) -> list[ResolvedHost]:
    """Those first that were the reserve, then those that carry the fewest VMs; hosts to move to at last."""
    carried = Counter(kept.moves.get(vm, host) for vm, host in kept.host.items())
    targets = set(kept.moves.values())
    return sorted(by_size, key=lambda host: (host.id in targets, host.id not in kept.reserve, carried[host.id]))


def must_move(moved: Relocated, site: str, site_of: Mapping[str, str], kept: KeptPlacement) -> bool:
    """Whether the VM could not have stayed in any plan: it was asked to move, or its host is no choice any more."""
    return moved.vm in kept.moves or moved.from_host in kept.without or site_of.get(moved.from_host) != site


@dataclass(frozen=True)
class Reasons:
    """Why VMs of one site cannot stay, in Japanese clauses. `home` is the kept bin per item, -1 for none."""

    problem: PackingProblem
    vms: tuple[ResolvedVm, ...]
    home: Ints
    kept: KeptPlacement
    site_of: Mapping[str, str]
    reserve: frozenset[str]

    def of(self, item: int) -> str:
        """Why the VM, which the kept plan has on another host, moves."""
        vm = self.vms[item]
        host = self.kept.host[vm.id]
        if vm.id in self.kept.moves:
            return "移動先を指定されたため（--move）"
        if host in self.kept.without:
            return f"ホスト {host} を使わない指定のため（--without-host）"
        if host not in self.site_of:
            return f"ホスト {host} が構成ファイルにないため"
        if self.site_of[host] != vm.site:
            return f"仮想サーバの拠点が {vm.site} に変わったため"
        if host in self.reserve:
            return f"ホスト {host} を予備として空けておくため"
        return self._crowded(item, host)

    def _crowded(self, item: int, host: str) -> str:
        problem, home = self.problem, self.home
        if home[item] < 0:
            return f"大きくなり、ホスト {host} に収まらないため（予備が引き継げる量まで）"
        mates = np.flatnonzero(home == home[item])
        for group in problem.apart:
            others = [other for other in group if other != item and home[other] == home[item]]
            if item in group and others:
                return f"同居できない {problem.item_names[others[0]]} と同じホストになるため"
        if problem.kind is not None and len(set(problem.kind[mates].tolist())) > 1:
            return f"区分の違う仮想サーバがホスト {host} に同居しないようにするため"
        over = problem.need[mates].sum(axis=0) - problem.limit[home[item]]
        for column, resource in enumerate(RESOURCES):
            if over[column] > 0:
                label, unit = _LABELS[resource]
                return f"ホスト {host} の{label}が {over[column]:,.4g} {unit}足りなくなるため"
        load = problem.load[mates].sum(axis=0).max(initial=0.0) - problem.cores[home[item]] - CORES_SLACK
        if load > 0:
            return f"ホスト {host} の CPU が 10 分枠で {load:,.2f} コア足りなくなるため"
        return "ほかの仮想サーバを置く空きを作るため"
