"""Which VMs to meter by the hour, and when, so that the licences held suffice for the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from layout.licence_records import ViolationResult
from layout.records import Layout

from .changed_layouts import Span
from .trial import exact

_MANY = 1000
"""So many violations are looked at instant by instant; with more every VM that is short is metered."""


def fewest(violations: Sequence[ViolationResult], layout: Layout) -> dict[str, list[Span]]:
    """Answers, per VM, spans in order: at every instant as few VMs as it takes.

    A metered VM sets the licences free that it held. Those metered already come first, then the smallest that is
    enough by itself, or else the largest.
    """
    if len(violations) > _MANY:
        return all_short(violations, layout)
    short = _short(violations, layout)
    points = sorted({instant for violation in violations for instant in (violation.from_, violation.until)})
    chosen: dict[str, list[Span]] = {}
    for begin, end in pairwise(points):
        now = [violation for violation in violations if violation.from_ <= begin < violation.until]
        missing = sum((exact(violation.needed) - exact(violation.held) for violation in now), exact(0))
        while missing > 0 and now:
            nearest = min(
                now,
                key=lambda v: (
                    v.vm not in chosen,
                    exact(v.needed) < missing,
                    exact(v.needed) if exact(v.needed) >= missing else -exact(v.needed),
                    v.vm or "",
                ),
            )
            now.remove(nearest)
            missing -= exact(nearest.needed)
            for vm in _names(nearest, short):
                chosen.setdefault(vm, []).append((begin, end))
    return {vm: _joined(spans) for vm, spans in chosen.items()}


def all_short(violations: Sequence[ViolationResult], layout: Layout) -> dict[str, list[Span]]:
    """Answers, per VM, spans in order: every VM that lacks licences, whenever it does."""
    short = _short(violations, layout)
    chosen: dict[str, list[Span]] = {}
    for violation in violations:
        for vm in _names(violation, short):
            chosen.setdefault(vm, []).append((violation.from_, violation.until))
    return {vm: _joined(spans) for vm, spans in chosen.items()}


def _names(violation: ViolationResult, short: Mapping[tuple[str, ...], Sequence[str]]) -> Sequence[str]:
    return (violation.vm,) if violation.vm is not None else short[violation.hosts]


def _short(violations: Iterable[ViolationResult], layout: Layout) -> dict[tuple[str, ...], Sequence[str]]:
    """VMs that run on or can reach the hosts that the licences do not cover; all where no host is named."""
    sets = {group.id: frozenset(group.hosts) for group in layout.host_sets}
    uncovered = {violation.hosts for violation in violations if violation.vm is None}
    return {
        hosts: sorted(
            vm.id for vm in layout.vms if not hosts or vm.host in hosts or not sets[vm.may_run_on].isdisjoint(hosts)
        )
        for hosts in uncovered
    }


def _joined(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, those that touch or overlap as one."""
    joined: list[Span] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined
