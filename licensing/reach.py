"""Which hosts count for a VM: where it runs, where it may be moved to, where it ran."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from layout.records import HostRecord, Layout, MoveRecord, VmRecord

from .records import Pinning, Scope


@dataclass(frozen=True)
class Reach:
    """Hosts, host sets and planned moves of one layout, ready to be asked. The layout has been checked."""

    hosts: Mapping[str, HostRecord]
    host_sets: Mapping[str, frozenset[str]]
    moves: Mapping[str, tuple[MoveRecord, ...]]
    """By VM, in order of time."""

    @classmethod
    def of(cls, layout: Layout) -> Reach:
        """Answers the reach of a checked layout."""
        moves: dict[str, list[MoveRecord]] = {}
        for move in sorted(layout.moves, key=lambda move: move.at):
            moves.setdefault(move.vm, []).append(move)
        return cls(
            hosts={host.id: host for host in layout.hosts},
            host_sets={group.id: frozenset(group.hosts) for group in layout.host_sets},
            moves={vm: tuple(items) for vm, items in moves.items()},
        )

    def running(self, vm: VmRecord, at: datetime) -> str:
        """Answers the host that the VM runs on at an instant; `vm.host` is where it runs before its first move."""
        moves = self.moves.get(vm.id, ())
        done = bisect_right(moves, at, key=lambda move: move.at)
        return moves[done - 1].to_host if done else vm.host

    def movable(self, vm: VmRecord) -> frozenset[str]:
        """Answers the hosts that an unpinned VM may be moved to: its host set, and both ends of its planned moves."""
        planned = {host for move in self.moves.get(vm.id, ()) for host in (move.from_host, move.to_host)}
        return self.host_sets[vm.may_run_on] | planned

    def ran_on(self, vm: VmRecord, at: datetime, window: timedelta) -> frozenset[str]:
        """Answers the hosts that the VM ran on in `(at - window, at]`, the present one included while it exists."""
        end = at if vm.until is None else min(at, vm.until)
        stays: list[tuple[datetime | None, datetime | None, str]] = []
        since, host = vm.from_, vm.host
        for move in self.moves.get(vm.id, ()):
            stays.append((since, move.at, host))
            since, host = move.at if since is None else max(since, move.at), move.to_host
        stays.append((since, vm.until, host))
        return frozenset(
            host
            for since, until, host in stays
            if (since is None or since <= end) and (until is None or until > at - window)
            # A VM that moved before it began never ran on the host it left.
            if since is None or until is None or since < until
        )

    def counted(self, vm: VmRecord, at: datetime, scope: Scope, pinning: Pinning) -> frozenset[str]:
        """Answers the hosts that count for the VM at an instant under a rule's scope and pinning."""
        if scope.window_days is not None:
            return self.ran_on(vm, at, timedelta(days=scope.window_days))
        here = frozenset((self.running(vm, at),))
        if scope.hosts == "running" or (vm.pinned and pinning.narrows_reach):
            return here
        return here | self.movable(vm)
