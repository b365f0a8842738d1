"""What the ministry found in its pilots, asked of any layout: moving VMs, the busy season, the number of hosts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from .cells import Exact
from .engine import tally
from .lines import Line
from .reach import Reach
from .timeline import Owed, Step, owed, steps


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


def reach_steps(counted: Iterable[tuple[Line, Owed]]) -> Iterable[tuple[Line, Step]]:
    """Answers the deciding step of every line whose rule counts all hosts that a VM can reach."""
    for line, needed in counted:
        step = needed.peak
        if any(u.vm is not None and u.counting.on_hosts and u.counting.scope.hosts == "reachable" for u in step.uses):
            yield line, step


def movement(line: Line, planned: Step, reach: Reach, start: datetime, end: datetime) -> Movement:
    """Counts the same year with every VM pinned, and with every VM free to use its whole site."""
    sites: dict[str, frozenset[str]] = {}
    for host in reach.hosts.values():
        sites[host.site] = sites.get(host.site, frozenset()) | {host.id}
    pinned = _peak(steps(line, reach, start, end, lambda vm, at, _: frozenset((reach.running(vm, at),))))
    free = _peak(
        steps(
            line,
            reach,
            start,
            end,
            lambda vm, at, _: sites.get(vm.site, frozenset()) | {reach.running(vm, at)},
        )
    )
    return Movement(
        line,
        planned.quantity,
        pinned.quantity,
        free.quantity,
        len(planned.tally.shares),
        len(pinned.tally.shares),
        len(free.tally.shares),
    )


def _peak(series: tuple[Step, ...]) -> Step:
    return owed(series).peak


def curve(line: Line, planned: Step, reach: Reach) -> Curve:
    """Counts the deciding instant with the reach cut down to its first 1 … n hosts."""
    counted = (share for share in planned.tally.shares if share.counting.on_hosts)
    shares = sorted(counted, key=lambda share: (share.why == "reach", share.host.id))
    hosts = tuple(share.host.id for share in shares)
    quantities = []
    for length in range(1, len(hosts) + 1):
        allowed = frozenset(hosts[:length])
        uses = [use._replace(hosts=use.hosts & allowed) for use in planned.uses]
        few = tuple(use for use in uses if use.hosts or not use.counting.on_hosts)
        quantities.append(tally(few, reach.hosts).quantity)
    return Curve(line, hosts, tuple(quantities))
