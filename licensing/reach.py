"""Which hosts count for a VM: where it runs, where it may be moved to, where it ran."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from layout.records import HostRecord, Layout, MoveRecord, VcpuInterval, VmRecord

from .records import Pinning, Scope

Hosts = frozenset[str]


def days_later(at: datetime, days: int) -> datetime:
    """Answers the instant so many days later; where the calendar has none (`until: 9999-12-31`), its first or last."""
    try:
        return at + timedelta(days=days)
    except OverflowError:
        return (datetime.max if days > 0 else datetime.min).replace(tzinfo=at.tzinfo)


@dataclass(frozen=True)
class Reach:
    """Hosts, host sets and planned moves of one layout, ready to be asked. The layout has been checked.

    Equal answers are the same object: a large layout has few different sets of hosts, and they are compared often.
    """

    hosts: Mapping[str, HostRecord]
    host_sets: Mapping[str, Hosts]
    moves: Mapping[str, tuple[MoveRecord, ...]]
    """By VM, in order of time."""
    sites: Mapping[str, Hosts]
    together: Mapping[str, tuple[VmRecord, ...]]
    """VMs by the name of the affinity that keeps them on one host."""
    residents: Mapping[str, int] = field(default_factory=dict)
    """By tenant, where they are known."""
    _known: dict[object, Hosts] = field(default_factory=dict, repr=False, compare=False)
    _changes: dict[str, list[VcpuInterval]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, layout: Layout, residents: Mapping[str, int] | None = None) -> Reach:
        """Answers the reach of a checked layout; `residents` are those of its tenants, where they are known."""
        moves: dict[str, list[MoveRecord]] = {}
        for move in sorted(layout.moves, key=lambda move: move.at):
            moves.setdefault(move.vm, []).append(move)
        host_sets = {group.id: frozenset(group.hosts) for group in layout.host_sets}
        sites: dict[str, set[str]] = {}
        for host in layout.hosts:
            sites.setdefault(host.site, set()).add(host.id)
        hosts = {host.id: host for host in layout.hosts}
        together: dict[str, list[VmRecord]] = {}
        for vm in layout.vms:
            for name in vm.affinity:
                if name not in hosts and name not in host_sets:
                    together.setdefault(name, []).append(vm)
        if together:
            for vm in layout.vms:
                if vm.id in together:  # the VM that the others name and stay with
                    together[vm.id].append(vm)
        return cls(
            hosts=hosts,
            host_sets=host_sets,
            moves={vm: tuple(items) for vm, items in moves.items()},
            sites={site: frozenset(members) for site, members in sites.items()},
            together={name: tuple(members) for name, members in together.items()},
            residents=residents or {},
        )

    def _home(self, vm: VmRecord) -> str:
        """The VM's host before its first move: `vm.host`, unless a bare layout says there where the moves led."""
        moves = self.moves.get(vm.id)
        return moves[0].from_host if moves else vm.host

    def running(self, vm: VmRecord, at: datetime) -> str:
        """Answers the host that the VM runs on at an instant."""
        moves = self.moves.get(vm.id)
        if moves is None:
            return vm.host
        done = bisect_right(moves, at, key=lambda move: move.at)
        return moves[done - 1].to_host if done else self._home(vm)

    def vcpu_at(self, vm: VmRecord, at: datetime) -> int:
        """Answers the vCPUs that the VM has at an instant. Its changes do not overlap: that has been checked."""
        if vm.id not in self._changes:
            self._changes[vm.id] = sorted(vm.vcpu_changes, key=lambda change: change.from_)
        changes = self._changes[vm.id]
        begun = bisect_right(changes, at, key=lambda change: change.from_)
        return changes[begun - 1].vcpu if begun and at < changes[begun - 1].until else vm.vcpu

    def movable(self, vm: VmRecord, pinning: Pinning) -> Hosts:
        """Answers the hosts that an unpinned VM may be moved to.

        They are its host set, as far as its affinity allows, and both ends of its planned moves. An affinity names
        hosts or host sets that the VM stays on, or else a group of VMs, or one VM, to share a host with.
        """
        moves = self.moves.get(vm.id)
        if not vm.affinity and moves is None:
            return self.host_sets[vm.may_run_on]
        allowed = self._by_affinity(vm, pinning) if pinning.affinity_narrows else self.host_sets[vm.may_run_on]
        return allowed | self._planned(vm)

    def _planned(self, vm: VmRecord) -> Hosts:
        """Both ends of the VM's planned moves."""
        key = ("planned", vm.id)
        if key not in self._known:
            moves = self.moves.get(vm.id, ())
            self._known[key] = frozenset(host for move in moves for host in (move.from_host, move.to_host))
        return self._known[key]

    def _by_affinity(self, vm: VmRecord, pinning: Pinning) -> Hosts:
        allowed = self._own(vm)
        for name in vm.affinity:
            if name in self.together:
                key = ("together", name, pinning.narrows_reach)
                if key not in self._known:
                    self._known[key] = frozenset.intersection(
                        *(
                            frozenset((member.host,)) if member.pinned and pinning.narrows_reach else self._own(member)
                            for member in self.together[name]
                        )
                    )
                allowed &= self._known[key]
        return allowed

    def _own(self, vm: VmRecord) -> Hosts:
        """The VM's host set, as far as the hosts that its affinity names allow."""
        named = [name for name in vm.affinity if name not in self.together]
        if not named:
            return self.host_sets[vm.may_run_on]
        kept = frozenset().union(*(self.host_sets.get(name, frozenset((name,))) for name in named))
        return self.host_sets[vm.may_run_on] & kept

    def ran_on(self, vm: VmRecord, at: datetime, days: int) -> Hosts:
        """Answers the hosts that the VM ran on in `(at - days, at]`, the present one included while it exists."""
        end = at if vm.until is None else min(at, vm.until)
        begin = days_later(at, -days)
        moves = self.moves.get(vm.id, ())
        # Stays that ended before the window, and moves after it, say nothing.
        over, begun = (bisect_right(moves, instant, key=lambda move: move.at) for instant in (begin, end))
        every = len(self._planned(vm) | {self._home(vm)})
        found: set[str] = set()
        # From the last stay back: of thousands of moves between a few hosts the last few tell all.
        for number in range(begun, over - 1, -1):
            since, host = (moves[number - 1].at, moves[number - 1].to_host) if number else (vm.from_, self._home(vm))
            if since is not None and vm.from_ is not None:
                since = max(since, vm.from_)
            until = moves[number].at if number < len(moves) else vm.until
            if until is not None and vm.until is not None:
                until = min(until, vm.until)
            if (
                (since is None or since <= end)
                and (until is None or until > begin)
                # A VM that moved before it began never ran on the host it left.
                and (since is None or until is None or since < until)
            ):
                found.add(host)
                if len(found) == every:
                    break
        return frozenset(found)

    def counted(self, vm: VmRecord, at: datetime, scope: Scope, pinning: Pinning) -> Hosts:
        """Answers the hosts that count for the VM at an instant under a rule's scope and pinning."""
        if scope.window_days is not None:
            return self.ran_on(vm, at, scope.window_days)
        if scope.hosts == "running":
            return self.here(vm, at)
        if scope.hosts == "reachable" and vm.pinned and pinning.narrows_reach:
            # A pinned VM with a planned move is unpinned for it: source and target count.
            return self._with(self._planned(vm) or None, self.running(vm, at))
        if scope.hosts == "everywhere":
            return self._all()
        if scope.hosts == "site":
            return self.on_site(vm, at)
        return self._with(self.movable(vm, pinning), self.running(vm, at))

    def here(self, vm: VmRecord, at: datetime) -> Hosts:
        """Answers the host that the VM runs on, as a set."""
        here = self.running(vm, at) if self.moves else vm.host
        found = self._known.get(here)
        if found is None:
            found = self._known[here] = frozenset((here,))
        return found

    def on_site(self, vm: VmRecord, at: datetime) -> Hosts:
        """Answers every host of the site where the VM runs: a bare layout may not say the VM's own."""
        here = self.running(vm, at)
        return self._with(self.sites[self.hosts[here].site], here)

    def _with(self, others: Hosts | None, here: str) -> Hosts:
        if others is not None and here in others:
            return others
        key = (others, here)
        if key not in self._known:
            self._known[key] = frozenset((here,)) if others is None else others | {here}
        return self._known[key]

    def _all(self) -> Hosts:
        if ("all",) not in self._known:
            self._known[("all",)] = frozenset(self.hosts)
        return self._known[("all",)]
