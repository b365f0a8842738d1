"""What a product would count if only some tenants were there: v(S), exactly, many thousands of times.

The layout stays as it is; only the VMs of the others are not there. Hosts, host sets, moves and affinities are those of
the plan. The uses at the year's start stay in a tracker from one coalition to the next, so that a walk over all
coalitions puts and takes few of them; what changes during the year is followed through it and undone each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from estate.clock import JST
from layout.licence_records import GradeCount, ProductResult
from layout.records import Layout, VmRecord

from .. import inputs, wording
from ..cells import Exact
from ..counting import grades_of, packs_of
from ..engine import Use, likeness
from ..errors import LicensingError
from ..lines import Line, Seat, Ways, lines_of
from ..reach import Reach
from ..records import Counting, Version
from ..rulebook import load_rules, version_at
from ..timeline import (
    HostsOf,
    Moment,
    Roll,
    Step,
    change_points,
    fiscal_span,
    levelled,
    midnight,
    owed,
    planned_hosts,
    use_of,
)
from ..tracker import Tracker
from .ground_records import CoalitionCost

Groups = frozenset[int]
"""Numbers of the groups of VMs that are there."""

_Change = tuple[datetime, int, Use | None, Use | None]
"""When, of which group, before, after."""


@dataclass(frozen=True)
class Need:
    """What a coalition needs of a product: the numbers of a `ProductResult` that a price looks at."""

    quantity: Exact
    packs: int | None
    grades: tuple[GradeCount, ...]
    at: datetime
    until: datetime
    version: Version

    def as_result(self, of: ProductResult) -> ProductResult:
        """Answers the product's result with the coalition's numbers, without details."""
        return of.model_copy(
            update={
                "quantity": wording.number(self.quantity),
                "packs": self.packs,
                "grades": self.grades,
                "at": self.at,
                "until": self.until,
                "evidence": self.version.evidence,
                "unverified": self.version.unverified,
                "law": self.version.time.law,
                "details": (),
                "series": None,
            }
        )


@dataclass
class _Span:
    """A part of the year in which one version of the rule holds, with its uses by group of VMs."""

    version: Version
    start: datetime
    end: datetime
    tracker: Tracker
    first: Mapping[int, Sequence[tuple[Use, int]]]
    """Uses at the start, and how many count alike."""
    events: Sequence[_Change]
    """In order of time."""
    installed: Sequence[Use]
    """Uses on hosts."""
    members: Mapping[int, Sequence[tuple[Seat[VmRecord], Counting]]]
    """VMs of each group, and how they are counted."""
    present: Groups = field(default_factory=frozenset)
    """Groups whose first uses the tracker holds."""

    def steps(self, groups: Groups, reach: Reach, hosts_of: HostsOf) -> list[Step]:
        """The count of some groups over the span. What changes in it is undone: the tracker keeps their first uses."""
        change = self.tracker.change
        for group in sorted(groups ^ self.present):
            for use, number in self.first[group]:
                self.tracker.add_alike(use, number if group in groups else -number)
        self.present = groups
        done: list[tuple[Use | None, Use | None]] = []
        found, since = [], self.start
        there = [seat for group in sorted(groups) for seat in self.members[group]]
        roll = Roll(self.version, reach, hosts_of, self.installed, there)

        def step(until: datetime) -> Step:
            return Step(since, until, self.tracker.quantity(), self.tracker.hosts(), Moment(roll, since))

        for at, group, before, after in self.events:
            if group not in groups:
                continue
            if at > since:
                found.append(step(at))
                since = at
            change(before, after)
            done.append((before, after))
        found.append(step(self.end))
        for before, after in reversed(done):
            change(after, before)
        return found


class LineCoalitions:
    """The counts of one product over the year for any set of tenants."""

    def __init__(
        self, line: Line, reach: Reach, start: datetime, end: datetime, users: Mapping[str, frozenset[str]]
    ) -> None:
        """`users` are the tenants of whom any one brings the VM with it, by VM."""
        self._line, self._reach, self._hosts_of = line, reach, planned_hosts(reach)
        by_users: dict[frozenset[str], list[Seat[VmRecord]]] = {}
        for seat in line.vms:
            by_users.setdefault(users[seat.owner.id], []).append(seat)
        self._users = list(by_users)
        self._seats = list(by_users.values())
        self._known: dict[Groups, Need] = {}
        dates = {midnight(day) for v in line.rule.versions for day in (v.valid_from, v.valid_to) if day is not None}
        edges = [start, *sorted(day for day in dates if start < day < end), end]
        self._spans = [self._span(begin, stop) for begin, stop in pairwise(edges)]

    def groups(self, tenants: frozenset[str]) -> Groups:
        """Answers the groups of VMs that are there with these tenants: two coalitions with the same count the same."""
        return frozenset(number for number, users in enumerate(self._users) if not users.isdisjoint(tenants))

    def need(self, groups: Groups) -> Need:
        """Answers what these groups need, with the products that sit on hosts."""
        if groups not in self._known:
            self._known[groups] = self._count(groups)
        return self._known[groups]

    def _count(self, groups: Groups) -> Need:
        exact = [step for span in self._spans for step in span.steps(groups, self._reach, self._hosts_of)]
        due = owed(tuple(levelled(exact)))
        version = due.peak.version
        return Need(
            quantity=due.quantity,
            packs=None if version.pack is None else packs_of(due.quantity, version.pack),
            grades=grades_of(due.peak.tally.shares) if any(counting.grades for counting in version.counts) else (),
            at=due.peak.from_,
            until=due.peak.until,
            version=version,
        )

    def _span(self, start: datetime, end: datetime) -> _Span:
        version = version_at(self._line.rule, start.astimezone(JST).date())
        ways, tracker = Ways(self._line, version, self._reach), Tracker(self._reach.hosts)
        found = (use_of(place, ways.of(place), self._reach, start, self._hosts_of) for place in self._line.hosts)
        installed = [use for use in found if use is not None]
        tracker.add_all(installed)
        first: dict[int, tuple[tuple[Use, int], ...]] = {}
        events: list[_Change] = []
        for number, seats in enumerate(self._seats):
            alike: dict[object, list[Use]] = {}
            for seat in seats:
                counting = ways.of(seat)
                before = use_of(seat, counting, self._reach, start, self._hosts_of)
                if before is not None:
                    alike.setdefault(likeness(before) or seat.owner.id, []).append(before)
                for at in sorted({at for at in change_points(seat, counting, self._reach) if start < at < end}):
                    after = use_of(seat, counting, self._reach, at, self._hosts_of)
                    if after != before:
                        events.append((at, number, before, after))
                        before = after
            first[number] = tuple((uses[0], len(uses)) for uses in alike.values())
        members = {number: [(seat, ways.of(seat)) for seat in seats] for number, seats in enumerate(self._seats)}
        in_order = sorted(events, key=lambda event: event[0])
        return _Span(version, start, end, tracker, first, in_order, installed, members)


class Coalitions:
    """The counts of every product of a layout for any set of tenants."""

    def __init__(
        self,
        layout: Layout,
        *,
        fiscal_year: int,
        shared: Mapping[str, frozenset[str]],
        common: str = "common",
        rules_dir: Path | None = None,
        residents: Mapping[str, int] | None = None,
    ) -> None:
        """`shared` are the users of each system of the tenant `common`. Raises LicensingError as `licensing.count`."""
        book = load_rules(rules_dir)
        inputs.check(layout, (), book)
        everybody: frozenset[str] = frozenset().union(*shared.values())
        users = {
            vm.id: shared.get(vm.system, everybody) if vm.tenant == common else frozenset((vm.tenant,))
            for vm in layout.vms
        }
        reach, (start, end) = Reach.of(layout, residents), fiscal_span(fiscal_year)
        self._lines = {
            _article(line.rule.id, line.options): LineCoalitions(line, reach, start, end, users)
            for line in lines_of(layout, book)
        }

    def need(self, product: ProductResult, tenants: Iterable[str]) -> ProductResult:
        """Answers a product's result if only these tenants were there. Raises LicensingError for a foreign product."""
        line = self._line(product)
        return line.need(line.groups(frozenset(tenants))).as_result(product)

    def cost(self, product: ProductResult, price: Callable[[ProductResult], int]) -> CoalitionCost:
        """Answers v(S) of one item: `price` of what S needs of the product, asked once per different set of VMs."""
        line, known = self._line(product), dict[Groups, int]()

        def of(tenants: frozenset[str]) -> int:
            if not tenants:
                return 0
            groups = line.groups(tenants)
            if groups not in known:
                known[groups] = price(line.need(groups).as_result(product))
            return known[groups]

        return of

    def _line(self, product: ProductResult) -> LineCoalitions:
        found = self._lines.get(_article(product.rule, product.options))
        if found is None:
            raise LicensingError(f"{product.rule}: この配置にない製品です")
        return found


def _article(rule: str, options: Mapping[str, object]) -> tuple[str, str]:
    return rule, repr(sorted(options.items()))
