"""How a count changes over a span of time, and what the rule's time law makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Generic, TypeVar

from estate.clock import JST
from layout.records import HostRecord, Layout, VmRecord

from .engine import Tally, Use, tally
from .errors import LicensingError
from .reach import Reach
from .records import Counting, OptionValue, Rule, Version
from .rulebook import RuleBook, complete_options, counting_for, version_at

Owner = TypeVar("Owner", VmRecord, HostRecord)

HostsOf = Callable[[VmRecord, datetime, Counting], frozenset[str]]
"""Hosts that count for a VM at an instant under a rule."""


@dataclass(frozen=True)
class Seat(Generic[Owner]):
    """A VM or host that has the product, with all options of this use."""

    owner: Owner
    options: Mapping[str, OptionValue]

    @property
    def where(self) -> str:
        """Names the VM or host, for messages."""
        return f"{'仮想サーバ' if isinstance(self.owner, VmRecord) else 'ホスト'} {self.owner.id}"


@dataclass(frozen=True)
class Line:
    """One product and where it sits: one line of the result."""

    rule: Rule
    options: Mapping[str, OptionValue]
    """The options that make it an article of its own, e.g. the edition."""
    vms: tuple[Seat[VmRecord], ...]
    hosts: tuple[Seat[HostRecord], ...]


@dataclass(frozen=True)
class Step:
    """The count on `[from_, until)`."""

    from_: datetime
    until: datetime
    version: Version
    uses: tuple[Use, ...]
    tally: Tally


def midnight(day: date) -> datetime:
    """Answers the first instant of a day, +09:00."""
    return datetime.combine(day, time(), JST)


def fiscal_span(fiscal_year: int) -> tuple[datetime, datetime]:
    """Answers the fiscal year as `[1 April, 1 April of the next year)`."""
    return midnight(date(fiscal_year, 4, 1)), midnight(date(fiscal_year + 1, 4, 1))


def lines_of(layout: Layout, book: RuleBook) -> tuple[Line, ...]:
    """Answers the products of a layout in order of rule: one line per rule and value of its separate options.

    Raises LicensingError for an unknown rule or option.
    """
    found: dict[tuple[str, str], tuple[Rule, dict[str, OptionValue], list[Seat[VmRecord]], list[Seat[HostRecord]]]] = {}
    owners: list[VmRecord | HostRecord] = [*layout.vms, *layout.hosts]
    for owner in sorted(owners, key=lambda owner: owner.id):
        where = f"{'仮想サーバ' if isinstance(owner, VmRecord) else 'ホスト'} {owner.id}"
        for product in owner.products:
            rule = book.rule(product.rule, where)
            options = complete_options(rule, product.options, where)
            own = {name: value for name, value in options.items() if rule.options[name].separate}
            line = found.setdefault((rule.id, repr(own)), (rule, own, [], []))
            if isinstance(owner, VmRecord):
                line[2].append(Seat(owner, options))
            else:
                line[3].append(Seat(owner, options))
    return tuple(Line(rule, own, tuple(vms), tuple(hosts)) for _, (rule, own, vms, hosts) in sorted(found.items()))


def vcpu_at(vm: VmRecord, at: datetime) -> int:
    """Answers the vCPUs that the VM has at an instant."""
    return next((change.vcpu for change in vm.vcpu_changes if change.from_ <= at < change.until), vm.vcpu)


def planned_hosts(reach: Reach) -> HostsOf:
    """Answers the hosts as the layout plans them."""
    return lambda vm, at, counting: reach.counted(vm, at, counting.scope, counting.pinning)


def uses_at(line: Line, version: Version, reach: Reach, at: datetime, hosts_of: HostsOf) -> tuple[Use, ...]:
    """Answers the uses of a product at an instant: VMs that exist then (or ran lately, where the rule looks back).

    Raises LicensingError where the rule cannot count a use as it is.
    """
    uses: list[Use] = []
    for seat in line.vms:
        vm, counting = seat.owner, counting_for(line.rule, version, seat.options, seat.where)
        if "vm" not in counting.sits_on:
            raise LicensingError(f"{seat.where}: {line.rule.id} はホストに置く規則です")
        back = timedelta(days=counting.scope.window_days or 0)
        if (vm.from_ is None or vm.from_ <= at) and (vm.until is None or at < vm.until + back):
            host = reach.hosts[reach.running(vm, at)]
            uses.append(Use(vm, host, vcpu_at(vm, at), hosts_of(vm, at, counting), counting, seat.options))
    for place in line.hosts:
        host, counting = place.owner, counting_for(line.rule, version, place.options, place.where)
        if "host" not in counting.sits_on:
            raise LicensingError(f"{place.where}: {line.rule.id} は仮想サーバに置く規則です")
        uses.append(Use(None, host, host.cores, frozenset((host.id,)), counting, place.options))
    return tuple(uses)


def evaluate(line: Line, reach: Reach, at: datetime, hosts_of: HostsOf | None = None) -> Step:
    """Counts one line at one instant with the rule version of that day. The step is empty: `[at, at)`."""
    version = version_at(line.rule, at.astimezone(JST).date())
    uses = uses_at(line, version, reach, at, hosts_of or planned_hosts(reach))
    return Step(at, at, version, uses, tally(uses, reach.hosts))


def change_points(line: Line, reach: Reach) -> set[datetime]:
    """Answers every instant at which the count of a line can change."""
    points: set[datetime] = set()
    windows = {timedelta(0)}
    for version in line.rule.versions:
        points.update(midnight(day) for day in (version.valid_from, version.valid_to) if day is not None)
        windows |= {timedelta(days=counting.scope.window_days or 0) for counting in version.counts}
    chosen = {repr(seat.options): seat.options for seat in line.vms}.values()
    ways = [
        counting
        for version in line.rule.versions
        for counting in version.counts
        if any(counting.when.items() <= options.items() for options in chosen)
    ]
    by_vcpu = any(counting.base == "vcpu" or counting.cap == "vcpu-sum" for counting in ways)
    for seat in line.vms:
        vm = seat.owner
        own = {instant for instant in (vm.from_, vm.until) if instant is not None}
        own.update(move.at for move in reach.moves.get(vm.id, ()))
        points.update(instant + window for instant in own for window in windows)
        if by_vcpu:
            points.update(instant for change in vm.vcpu_changes for instant in (change.from_, change.until))
    return points


def steps(
    line: Line, reach: Reach, start: datetime, end: datetime, hosts_of: HostsOf | None = None
) -> tuple[Step, ...]:
    """Answers the count of a line over `[start, end)` under its time law: the steps join without gaps.

    Neighbouring steps with the same version and count are one. `hosts_of` replaces the planned reach.
    """
    points = sorted({start} | {point for point in change_points(line, reach) if start < point < end})
    exact = [
        replace(evaluate(line, reach, point, hosts_of), until=until)
        for point, until in zip(points, (*points[1:], end), strict=True)
    ]
    return _joined(_levelled(exact))


def required(of: Iterable[Step]) -> Step:
    """Answers the step that decides how many licences must be held: the first with the greatest count."""
    return max(of, key=lambda step: step.tally.quantity)


def _joined(exact: Iterable[Step]) -> tuple[Step, ...]:
    joined: list[Step] = []
    for step in exact:
        if joined and _alike(joined[-1], step):
            joined[-1] = replace(joined[-1], until=step.until)
        else:
            joined.append(step)
    return tuple(joined)


def _alike(a: Step, b: Step) -> bool:
    return a.version == b.version and a.uses == b.uses and a.tally == b.tally


def _levelled(exact: Iterable[Step]) -> list[Step]:
    """Raises every step of a law with periods to the peak of its period."""
    cut: list[Step] = []
    for step in exact:
        cut.extend(_cut(step))
    peaks: dict[object, Step] = {}
    for step in cut:
        key = _period_key(step)
        if key not in peaks or step.tally.quantity > peaks[key].tally.quantity:
            peaks[key] = step
    return [replace(peaks[_period_key(step)], from_=step.from_, until=step.until) for step in cut]


def _period_key(step: Step) -> object:
    begin = step.from_.astimezone(JST)
    month = begin.year * 12 + begin.month - 1
    period = step.version.time.period
    if period is None:
        return step.from_
    length = {"month": 1, "quarter": 3, "fiscal-year": 12}[period]
    # Fiscal years begin in April, three months into the calendar year; quarters are the same in both.
    return (step.version.valid_from, period, (month - 3) // length)


def _cut(step: Step) -> Iterable[Step]:
    """Splits a step at the months' ends where its law has periods."""
    if step.version.time.period is None:
        yield step
        return
    begin = step.from_
    while begin < step.until:
        local = begin.astimezone(JST)
        following = midnight(date(local.year + local.month // 12, local.month % 12 + 1, 1))
        until = min(following, step.until)
        yield replace(step, from_=begin, until=until)
        begin = until
