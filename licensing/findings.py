"""What the ministry found in its pilots, asked of any layout: moving VMs, the busy season, the number of hosts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from . import cells
from .cells import Exact
from .engine import Share, users_of
from .lines import Line
from .reach import Reach
from .timeline import HostsOf, Owed, Step, owed, steps
from .tracker import Tracker


@dataclass(frozen=True)
class Movement:
    """What it costs in licences that VMs may move (both source and destination need licences)."""

    line: Line
    planned: Exact
    pinned: Exact
    """If every VM were pinned to its host."""
    whole_site: Exact
    """If every VM might run on every host of its site, spare hosts included."""
    hosts_planned: int
    hosts_pinned: int
    hosts_whole_site: int


@dataclass(frozen=True)
class Curve:
    """More hosts, more licences: the count when the product's VMs may use only the first 1, 2, … of these hosts."""

    line: Line
    hosts: tuple[str, ...]
    """Those where VMs run first, then by id."""
    quantities: tuple[Exact, ...]


def may_reach(line: Line) -> bool:
    """Answers whether a version of the rule counts the hosts that VMs can reach, so that `reach_steps` may name it."""
    ways = (counting for version in line.rule.versions for counting in version.counts)
    return bool(line.vms) and any(counting.on_hosts and counting.scope.hosts == "reachable" for counting in ways)


def reach_steps(counted: Iterable[tuple[Line, Owed]]) -> Iterable[tuple[Line, Step]]:
    """Answers the deciding step of every line whose rule counts all hosts that a VM can reach."""
    for line, needed in counted:
        step = needed.peak
        ways = [counting for counting, _ in step.tally.totals if counting.on_hosts]
        if line.vms and any(counting.scope.hosts == "reachable" for counting in ways):
            yield line, step


def movement(line: Line, planned: Step, reach: Reach, start: datetime, end: datetime) -> Movement:
    """Counts the same year with every VM pinned, and with every VM free to use its whole site."""
    pinned, pinned_hosts = _with_reach(line, planned, reach, start, end, lambda vm, at, _: reach.here(vm, at))
    free, free_hosts = _with_reach(line, planned, reach, start, end, lambda vm, at, _: reach.on_site(vm, at))
    return Movement(line, planned.quantity, pinned, free, planned.hosts, pinned_hosts, free_hosts)


def _with_reach(
    line: Line, planned: Step, reach: Reach, start: datetime, end: datetime, hosts_of: HostsOf
) -> tuple[Exact, int]:
    """The greatest count of the year with another reach, and how many hosts it counts."""
    if (planned.from_, planned.until) != (start, end) or not planned.steady:
        peak = owed(steps(line, reach, start, end, hosts_of)).peak
        return peak.quantity, peak.hosts
    # Nothing changes all year: the uses are known, and only their hosts are others.
    tracker = Tracker(reach.hosts)
    tracker.add_all(
        use._replace(hosts=hosts_of(use.vm, start, use.counting)) if use.vm and use.counting.on_hosts else use
        for use in planned.uses
    )
    return tracker.quantity(), tracker.hosts()


def curve(line: Line, planned: Step) -> Curve:
    """Counts the deciding instant with the reach cut down to its first 1 … n hosts.

    What a host counts does not depend on the hosts beside it, so the curve is a running sum of the count's shares.
    """
    on_hosts = [share for share in planned.tally.shares if share.counting.on_hosts]
    shares = sorted(on_hosts, key=lambda share: (share.why == "reach", share.host.id))
    by_way = [
        (counting, users_of(counting, [u for u in planned.uses if u.counting is counting]))
        for counting, _ in planned.tally.totals
    ]
    sums: list[dict[Exact, Exact]] = [{} for _ in by_way]
    ways = {id(counting): number for number, (counting, _) in enumerate(by_way)}

    def add(share: Share) -> None:
        mine = sums[ways[id(share.counting)]]
        mine[share.cell.factor] = mine.get(share.cell.factor, 0) + share.quantity

    for share in planned.tally.shares:
        if not share.counting.on_hosts:
            add(share)
    quantities = []
    for share in shares:
        add(share)
        found = (cells.total(counting, mine, users) for (counting, users), mine in zip(by_way, sums, strict=True))
        quantities.append(cells.slim(sum((each.quantity for each in found), 0)))
    return Curve(line, tuple(share.host.id for share in shares), tuple(quantities))
