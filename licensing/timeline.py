"""How a count changes over a span of time, and what the rule's time law makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from estate.clock import JST
from layout.records import HostRecord, VmRecord

from . import cells
from .cells import Exact
from .engine import Tally, Use, tally
from .lines import Line, Seat, Ways
from .reach import Reach, days_later
from .records import Counting, Version
from .rulebook import version_at
from .tracker import Tracker

HostsOf = Callable[[VmRecord, datetime, Counting], frozenset[str]]
"""Hosts that count for a VM at an instant under a rule."""

PERIOD_MONTHS = {"month": 1, "quarter": 3, "fiscal-year": 12}
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


@dataclass(frozen=True)
class Roll:
    """Who uses a product while one version of its rule holds."""

    version: Version
    reach: Reach
    hosts_of: HostsOf
    steady: Sequence[Use]
    """Uses that stay as they are all the while."""
    changing: Sequence[tuple[Seat[VmRecord], Counting]]

    def uses_at(self, at: datetime) -> tuple[Use, ...]:
        """Answers the uses at an instant: of VMs that exist then (or ran lately, where the rule looks back)."""
        found = (use_of(seat, counting, self.reach, at, self.hosts_of) for seat, counting in self.changing)
        return (*self.steady, *(use for use in found if use is not None))


@dataclass(frozen=True)
class Moment:
    """One product at one instant: who uses it, and what that counts."""

    roll: Roll
    at: datetime

    @cached_property
    def uses(self) -> tuple[Use, ...]:
        """The uses that are counted."""
        return self.roll.uses_at(self.at)

    @cached_property
    def tally(self) -> Tally:
        """The count with every number that went in."""
        return tally(self.uses, self.roll.reach.hosts)


@dataclass(frozen=True)
class Step:
    """The count on `[from_, until)`. `moment` is the instant that decides it: its own, or the peak of its period."""

    from_: datetime
    until: datetime
    quantity: Exact
    hosts: int
    """How many hosts count."""
    moment: Moment

    @property
    def version(self) -> Version:
        """The version of the rule that holds."""
        return self.moment.roll.version

    @property
    def uses(self) -> tuple[Use, ...]:
        """The uses that are counted."""
        return self.moment.uses

    @property
    def steady(self) -> bool:
        """Whether every use stays as it is while the version holds."""
        return not self.moment.roll.changing

    @property
    def tally(self) -> Tally:
        """The count with every number that went in."""
        return self.moment.tally


@dataclass(frozen=True)
class Owed:
    """What the time law of a rule makes of a span."""

    quantity: Exact
    """The greatest count; of an hourly meter the sum over the hours."""
    peak: Step
    """The first step with the greatest count, joined with equal ones that follow."""
    metered: bool


def midnight(day: date) -> datetime:
    """Answers the first instant of a day, +09:00."""
    return datetime.combine(day, time(), JST)


def fiscal_span(fiscal_year: int) -> tuple[datetime, datetime]:
    """Answers the fiscal year as `[1 April, 1 April of the next year)`."""
    return midnight(date(fiscal_year, 4, 1)), midnight(date(fiscal_year + 1, 4, 1))


def planned_hosts(reach: Reach) -> HostsOf:
    """Answers the hosts as the layout plans them."""
    return lambda vm, at, counting: reach.counted(vm, at, counting.scope, counting.pinning)


def use_of(
    seat: Seat[VmRecord] | Seat[HostRecord], counting: Counting, reach: Reach, at: datetime, hosts_of: HostsOf
) -> Use | None:
    """Answers the use of a product by one VM or host at an instant; None while the VM does not exist."""
    owner = seat.owner
    if isinstance(owner, HostRecord):
        return Use(None, owner, owner.cores, frozenset((owner.id,)), counting, seat.options)
    if owner.from_ is not None and at < owner.from_:
        return None
    if owner.until is not None and at >= days_later(owner.until, counting.scope.window_days or 0):
        return None
    host = reach.hosts[reach.running(owner, at) if reach.moves else owner.host]
    counted = hosts_of(owner, at, counting) if counting.on_hosts else reach.here(owner, at)
    vcpu = reach.vcpu_at(owner, at) if owner.vcpu_changes else owner.vcpu
    return Use(owner, host, vcpu, counted, counting, seat.options, reach.residents.get(owner.tenant))


def change_points(seat: Seat[VmRecord], counting: Counting, reach: Reach) -> Sequence[datetime]:
    """Answers every instant at which what a VM counts can change."""
    vm = seat.owner
    own = [instant for instant in (vm.from_, vm.until) if instant is not None]
    if reach.moves:
        own += [move.at for move in reach.moves.get(vm.id, ())]
    if own and counting.scope.window_days is not None:
        own += [days_later(instant, counting.scope.window_days) for instant in own]
    if vm.vcpu_changes and (counting.base in ("vcpu", "vcpu-core") or counting.cap == "vcpu-sum"):
        own += [instant for change in vm.vcpu_changes for instant in (change.from_, change.until)]
    return own


def evaluate(line: Line, reach: Reach, at: datetime, hosts_of: HostsOf | None = None) -> Step:
    """Counts one line at one instant with the rule version of that day, from scratch. The step is empty."""
    version = version_at(line.rule, at.astimezone(JST).date())
    ways, chosen = Ways(line, version, reach), hosts_of or planned_hosts(reach)
    installed = _installed(line, ways, reach, at, chosen)
    moment = Moment(Roll(version, reach, chosen, installed, [(seat, ways.of(seat)) for seat in line.vms]), at)
    hosts = {share.host.id for share in moment.tally.shares if share.counting.on_hosts}
    return Step(at, at, moment.tally.quantity, len(hosts), moment)


def _installed(line: Line, ways: Ways, reach: Reach, at: datetime, hosts_of: HostsOf) -> list[Use]:
    """The uses on hosts, which are there all the time."""
    found = (use_of(place, ways.of(place), reach, at, hosts_of) for place in line.hosts)
    return [use for use in found if use is not None]


def exact_steps(
    line: Line, reach: Reach, start: datetime, end: datetime, hosts_of: HostsOf | None = None
) -> tuple[Step, ...]:
    """Answers the count of a line at every instant of `[start, end)`, before its time law: steps join without gaps.

    A step begins wherever a use changes, even if the sum does not.
    """
    dates = {midnight(day) for v in line.rule.versions for day in (v.valid_from, v.valid_to) if day is not None}
    edges = [start, *sorted(day for day in dates if start < day < end), end]
    chosen = hosts_of or planned_hosts(reach)
    return tuple(step for begin, stop in pairwise(edges) for step in _version_steps(line, reach, begin, stop, chosen))


def _version_steps(line: Line, reach: Reach, start: datetime, end: datetime, hosts_of: HostsOf) -> Iterator[Step]:
    """The steps of a span in which one version holds: counted once, then change by change."""
    version = version_at(line.rule, start.astimezone(JST).date())
    ways, tracker = Ways(line, version, reach), Tracker(reach.hosts)
    steady = _installed(line, ways, reach, start, hosts_of)
    changing: list[tuple[Seat[VmRecord], Counting]] = []
    now: list[Use | None] = []
    changes: dict[datetime, list[int]] = {}
    for seat in line.vms:
        counting = ways.of(seat)
        use = use_of(seat, counting, reach, start, hosts_of)
        points = change_points(seat, counting, reach)
        if use is not None and not points:
            steady.append(use)
            continue
        if use is not None:
            tracker.change(None, use)
        for at in set(points):
            if start < at < end:
                changes.setdefault(at, []).append(len(now))
        changing.append((seat, counting))
        now.append(use)
    tracker.add_all(steady)
    roll = Roll(version, reach, hosts_of, steady, changing)
    since, quantity, hosts = start, tracker.quantity(), tracker.hosts()
    for at in sorted(changes):
        changed = False
        for number in changes[at]:
            use = use_of(*changing[number], reach, at, hosts_of)
            if use != now[number]:
                tracker.change(now[number], use)
                now[number] = use
                changed = True
        if changed:
            yield Step(since, at, quantity, hosts, Moment(roll, since))
            since, quantity, hosts = at, tracker.quantity(), tracker.hosts()
    yield Step(since, end, quantity, hosts, Moment(roll, since))


def steps(
    line: Line, reach: Reach, start: datetime, end: datetime, hosts_of: HostsOf | None = None
) -> tuple[Step, ...]:
    """Answers the count of a line over `[start, end)` under its time law: the steps join without gaps.

    The peak of a period is that of the whole period, also where `start` and `end` are within it. `hosts_of` replaces
    the planned reach.
    """
    first, last = version_at(line.rule, _day(start)), version_at(line.rule, _day(end - timedelta.resolution))
    begin, stop = _period_of(start, first)[0], _period_of(end - timedelta.resolution, last)[1]
    peaks = levelled(exact_steps(line, reach, min(begin, start), max(stop, end), hosts_of))
    return tuple(
        replace(step, from_=max(step.from_, start), until=min(step.until, end))
        for step in peaks
        if step.from_ < end and step.until > start
    )


def _period_of(at: datetime, version: Version) -> tuple[datetime, datetime]:
    """The period of the version's law that holds an instant, no longer than the version is valid."""
    if version.time.period is None:
        return at, at
    months = PERIOD_MONTHS[version.time.period]
    first = _month(at) // months * months
    begin, end = _month_start(first), _month_start(first + months)
    if version.valid_to is not None:
        end = min(end, midnight(version.valid_to))
    return max(begin, midnight(version.valid_from)), end


def _day(at: datetime) -> date:
    return at.astimezone(JST).date()


def _month(at: datetime) -> int:
    """Months since April of the year 0: fiscal years begin in April, and quarters are the same in both years."""
    day = _day(at)
    return day.year * 12 + day.month - 4


def _month_start(month: int) -> datetime:
    return midnight(date((month + 3) // 12, (month + 3) % 12 + 1, 1))


def required(of: Sequence[Step]) -> Step:
    """Answers the step that decides how many licences must be held: the first with the greatest count."""
    return max(of, key=lambda step: step.quantity)


def owed(of: Sequence[Step]) -> Owed:
    """Answers what a span costs in licences under the time law of its deciding version."""
    runs = list(joined(of))
    peak = max(runs, key=lambda step: step.quantity)
    if peak.version.time.law != "hourly-meter":
        return Owed(peak.quantity, peak, False)
    metered = (step for step in runs if step.version.time.law == "hourly-meter")
    hours = sum((step.quantity * Fraction((step.until - step.from_) // SECOND, 3600) for step in metered), 0)
    return Owed(cells.slim(hours), peak, True)


def joined(of: Iterable[Step]) -> Iterator[Step]:
    """Answers the same series with neighbours of equal count and version as one step."""
    held: Step | None = None
    for step in of:
        if held is not None and held.quantity == step.quantity and held.version is step.version:
            held = replace(held, until=step.until)
            continue
        if held is not None:
            yield held
        held = step
    if held is not None:
        yield held


def levelled(exact: Iterable[Step]) -> Iterator[Step]:
    """Raises every step of a law with periods to the peak of its period."""
    cut = [piece for step in exact for piece in _cut(step)]
    peaks: dict[object, Step] = {}
    for step in cut:
        key = _period_key(step)
        if key not in peaks or step.quantity > peaks[key].quantity:
            peaks[key] = step
    held: Step | None = None
    for step in cut:
        peak = peaks[_period_key(step)]
        if held is not None and held.moment is peak.moment:
            held = replace(held, until=step.until)
            continue
        if held is not None:
            yield held
        held = step if peak is step else replace(step, quantity=peak.quantity, hosts=peak.hosts, moment=peak.moment)
    if held is not None:
        yield held


def _period_key(step: Step) -> object:
    time_law = step.version.time
    if time_law.law == "instant-maximum":
        return step.from_
    begin = step.from_.astimezone(JST)
    if time_law.law == "hourly-meter":
        return (step.version.valid_from, begin.replace(minute=0, second=0, microsecond=0))
    return (step.version.valid_from, _month(begin) // PERIOD_MONTHS[time_law.period or "month"])


def _cut(step: Step) -> Iterator[Step]:
    """Splits a step at the ends of its law's periods; whole hours of a meter stay together."""
    law = step.version.time.law
    begin = step.from_
    while begin < step.until:
        local = begin.astimezone(JST)
        if law == "instant-maximum":
            until = step.until
        elif law == "concurrent-peak":
            until = midnight(date(local.year + local.month // 12, local.month % 12 + 1, 1))
        else:
            hour = local.replace(minute=0, second=0, microsecond=0)
            until = hour + HOUR if local != hour else hour + max(HOUR, (step.until - hour) // HOUR * HOUR)
        until = min(until, step.until)
        yield step if (begin, until) == (step.from_, step.until) else replace(step, from_=begin, until=until)
        begin = until
