"""When, where and by how much a layout needs more licences than are held."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from estate.records import Entitlement
from layout.records import VmRecord

from . import cells
from .cells import Exact, HostCell, vm_cell
from .engine import Share, Tally, Use, tally, threads_of
from .lines import Line
from .reach import Reach
from .timeline import Step, midnight

ZERO = 0


@dataclass(frozen=True)
class Violation:
    """On `[from_, until)` a VM, a host, or (with both None) a product as a whole needs more than is held for it."""

    rule: str
    unit: str
    vm: str | None
    host: str | None
    """Where hosts are counted: the first host that the licences held do not cover, those where VMs run first."""
    hosts: tuple[str, ...]
    """All hosts that they do not cover."""
    from_: datetime
    until: datetime
    held: Exact
    needed: Exact
    busy_season: bool
    """The VM has a temporary number of vCPUs then and needs more licences for it."""


class _Pools:
    """The entitlements of one rule at one instant, and what is assigned from them to which VM."""

    def __init__(self, entitlements: Iterable[Entitlement]) -> None:
        # Restricted licences are used first, so that those for everybody stay for the others.
        self.entitlements = sorted(entitlements, key=lambda e: (not e.tenants and not e.systems, e.id))
        self.slack = [quantity_of(e) for e in self.entitlements]
        self.assigned: list[dict[str, Exact]] = [{} for _ in self.entitlements]
        self.usable: dict[str, list[int]] = {}

    def covering(self, key: str, vm: VmRecord | None) -> list[int]:
        """Indices of the pools that may serve this VM (or host, then `vm` is None)."""
        if key not in self.usable:
            self.usable[key] = [i for i, e in enumerate(self.entitlements) if covers(e, vm)]
        return self.usable[key]

    def assign(self, key: str, vm: VmRecord | None, wanted: Exact) -> Exact:
        """Assigns up to `wanted` licences and answers how many; earlier ones may move to other pools, never shrink."""
        got: Exact = ZERO
        while got < wanted and (path := self._path(self.covering(key, vm))):
            # path: pool that serves us, then (who moves away, to which pool) until a pool with slack
            first, moves = path
            amount = wanted - got
            pool = first
            for who, to in moves:
                amount = min(amount, self.assigned[pool][who])
                pool = to
            amount = min(amount, self.slack[pool])
            self.slack[pool] -= amount
            pool = first
            for who, to in moves:
                self.assigned[pool][who] -= amount
                self.assigned[to][who] = self.assigned[to].get(who, ZERO) + amount
                pool = to
            self.assigned[first][key] = self.assigned[first].get(key, ZERO) + amount
            got += amount
        return got

    def _path(self, begin: Sequence[int]) -> tuple[int, list[tuple[str, int]]] | None:
        """Shortest way to a pool with slack, by moving licences of VMs that another pool covers too."""
        before: dict[int, tuple[int, str] | None] = dict.fromkeys(begin)
        queue = list(begin)
        for pool in queue:
            if self.slack[pool] > 0:
                moves: list[tuple[str, int]] = []
                at = pool
                while (step := before[at]) is not None:
                    moves.append((step[1], at))
                    at = step[0]
                return at, moves[::-1]
            for who, amount in self.assigned[pool].items():
                if amount > 0:
                    for other in self.usable[who]:
                        if other not in before:
                            before[other] = (pool, who)
                            queue.append(other)
        return None

    def take(self, wanted: Exact, *, restricted: bool) -> None:
        """Uses up slack, for the next product line of the same rule."""
        for i, entitlement in enumerate(self.entitlements):
            if restricted or not (entitlement.tenants or entitlement.systems):
                amount = min(wanted, self.slack[i])
                self.slack[i] -= amount
                wanted -= amount


def quantity_of(entitlement: Entitlement) -> Exact:
    """Answers the licences of an entitlement as they are written."""
    return cells.exact(entitlement.quantity)


def covers(entitlement: Entitlement, vm: VmRecord | None) -> bool:
    """Answers whether an entitlement may be used for a VM; `vm` None stands for a host, which has no tenant."""
    if vm is None:
        return not entitlement.tenants and not entitlement.systems
    return (not entitlement.tenants or vm.tenant in entitlement.tenants) and (
        not entitlement.systems or vm.system in entitlement.systems
    )


def find(
    counted: Sequence[tuple[Line, tuple[Step, ...]]],
    entitlements: Sequence[Entitlement],
    reach: Reach,
    start: datetime,
    end: datetime,
) -> tuple[Violation, ...]:
    """Answers every violation on `[start, end)`, in order of time.

    VMs are served with what their normal size needs before anybody's temporary increase, so the VM that grows beyond
    the licences is the one named, with the licences left for it as `held`. Where hosts are counted, `held` and
    `needed` are the product's; licences restricted to tenants or systems serve at most what their VMs alone would need.
    """
    found: list[Violation] = []
    for rule in sorted({line.rule.id for line, _ in counted}):
        # What is paid by the hour needs nothing held.
        series = [
            (line, steps)
            for line, steps in counted
            if line.rule.id == rule and all(step.version.time.law != "hourly-meter" for step in steps)
        ]
        held = [entitlement for entitlement in entitlements if entitlement.rule == rule]
        dates = {day for e in held for day in (e.from_, e.until) if day is not None}
        inner = {step.from_ for _, steps in series for step in steps} | {midnight(day) for day in dates}
        points = sorted({start} | {point for point in inner if start < point < end})
        running: dict[Violation, Violation] = {}
        at = [0] * len(series)
        for point, until in zip(points, (*points[1:], end), strict=True):
            for number, (_, steps) in enumerate(series):
                while steps[at[number]].until <= point:
                    at[number] += 1
            now = [(line, steps[at[number]]) for number, (line, steps) in enumerate(series)]
            valid = [e for e in held if _valid(e, point)]
            if not running and _plenty(now, valid):
                continue
            pools = _Pools(valid)
            # A shortfall that goes on unchanged is one violation: compared without its dates, it is the same key.
            here = {replace(v, from_=start, until=start): v for v in _shortfalls(now, pools, reach, point)}
            found.extend(violation for key, violation in running.items() if key not in here)
            running = {key: replace(running.get(key, new), until=until) for key, new in here.items()}
        found.extend(running.values())
    return tuple(sorted(found, key=lambda v: (v.from_, v.rule, v.vm or "", v.host or "", v.until)))


def _plenty(now: Sequence[tuple[Line, Step]], valid: Iterable[Entitlement]) -> bool:
    """Whether the licences for everybody suffice for all: then nobody needs to be looked at one by one."""
    free: Exact = sum((quantity_of(e) for e in valid if not e.tenants and not e.systems), ZERO)
    return sum((step.quantity for _, step in now), ZERO) <= free


def _valid(entitlement: Entitlement, at: datetime) -> bool:
    return (entitlement.from_ is None or midnight(entitlement.from_) <= at) and (
        entitlement.until is None or at < midnight(entitlement.until)
    )


def _shortfalls(now: Sequence[tuple[Line, Step]], pools: _Pools, reach: Reach, at: datetime) -> Iterable[Violation]:
    """What is missing at one instant. VM lines come first: their licences are assigned one by one."""
    split = [
        (
            line,
            tally([use for use in step.uses if not _pooled(use)], reach.hosts),
            [use for use in step.uses if _pooled(use)],
        )
        for line, step in now
    ]
    yield from _vm_shortfalls([(line, on_vms) for line, on_vms, _ in split], pools, at)
    for line, _, on_hosts in split:
        yield from _host_shortfall(line, on_hosts, pools, reach, at)


def _pooled(use: Use) -> bool:
    """Whether the product is counted as a whole: licences of hosts, minimums of users and steps belong to no one VM."""
    return use.counting.on_hosts or use.counting.users is not None or bool(use.counting.tiers)


def _vm_shortfalls(now: Sequence[tuple[Line, Tally]], pools: _Pools, at: datetime) -> Iterable[Violation]:
    demands = [(line, share, _key(line, share)) for line, count in now for share in count.shares]
    got: dict[str, Exact] = {}
    for _, share, key in demands:
        got[key] = pools.assign(key, share.vm, min(share.quantity, _normal(share)))
    for _, share, key in demands:
        got[key] += pools.assign(key, share.vm, share.quantity - got[key])
    for line, share, key in demands:
        if got[key] < share.quantity:
            vm = share.vm
            grown = vm is not None and any(change.from_ <= at < change.until for change in vm.vcpu_changes)
            yield Violation(
                rule=line.rule.id,
                unit=line.rule.unit,
                vm=None if vm is None else vm.id,
                host=share.host.id if vm is None else None,
                hosts=(),
                from_=at,
                until=at,
                held=got[key],
                needed=share.quantity,
                # A rule's floor may swallow the increase: then the shortfall is the one of the rest of the year.
                busy_season=grown and share.quantity > _normal(share),
            )
    # A product's own rounding or floor may ask for more than its VMs add up to.
    for line, count in now:
        more = count.quantity - sum((share.quantity for share in count.shares), ZERO)
        missing = more - sum(pools.slack, ZERO)
        if more > 0 and missing > 0 and all(got[_key(line, share)] == share.quantity for share in count.shares):
            yield Violation(
                rule=line.rule.id,
                unit=line.rule.unit,
                vm=None,
                host=None,
                hosts=(),
                from_=at,
                until=at,
                held=count.quantity - missing,
                needed=count.quantity,
                busy_season=False,
            )
        if more > 0:
            pools.take(more, restricted=True)


def _key(line: Line, share: Share) -> str:
    owner = f"host {share.host.id}" if share.vm is None else f"vm {share.vm.id}"
    return f"{owner} {sorted(line.options.items())}"


def _normal(share: Share) -> Exact:
    """What the VM needs at its normal size."""
    cell = share.cell
    if share.vm is None or isinstance(cell, HostCell) or share.counting.base not in ("vcpu", "vcpu-core"):
        return share.quantity
    threads = threads_of(share.counting, share.host) if share.counting.base == "vcpu-core" else 1
    return min(share.quantity, vm_cell(share.counting, -(-share.vm.vcpu // threads), cell.factor, cell.least).quantity)


def _host_shortfall(line: Line, uses: Sequence[Use], pools: _Pools, reach: Reach, at: datetime) -> Iterable[Violation]:
    def need(some: Iterable[Use]) -> Exact:
        return tally(tuple(some), reach.hosts).quantity

    count = tally(uses, reach.hosts)
    free: Exact = ZERO
    limited: dict[tuple[tuple[str, ...], tuple[str, ...]], Exact] = {}
    covered_by = {}
    for entitlement, slack in zip(pools.entitlements, pools.slack, strict=True):
        if entitlement.tenants or entitlement.systems:
            scope = (tuple(sorted(entitlement.tenants)), tuple(sorted(entitlement.systems)))
            limited[scope] = limited.get(scope, ZERO) + slack
            covered_by[scope] = entitlement
        else:
            free += slack
    useful = sum(
        (
            min(slack, need(use for use in uses if use.vm is not None and covers(covered_by[scope], use.vm)))
            for scope, slack in limited.items()
        ),
        ZERO,
    )
    held, needed = free + useful, count.quantity
    if needed <= held:
        # The licences suffice in all; those whom no restricted licence covers must do with the free ones.
        others = [u for u in uses if u.vm is None or not any(covers(e, u.vm) for e in covered_by.values())]
        held, needed = free, need(others)
    pools.take(count.quantity, restricted=True)
    if needed <= held:
        return
    hosts = _uncovered(count.shares, held)
    yield Violation(
        rule=line.rule.id,
        unit=line.rule.unit,
        vm=None,
        host=hosts[0] if hosts else None,
        hosts=hosts,
        from_=at,
        until=at,
        held=held,
        needed=needed,
        busy_season=False,
    )


def _uncovered(shares: Sequence[Share], held: Exact) -> tuple[str, ...]:
    """Hosts that the licences do not cover when hosts where VMs run are served first."""
    left = held
    hosts = []
    for share in sorted(shares, key=lambda share: (share.why == "reach", share.host.id)):
        left -= share.quantity
        if left < 0:
            hosts.append(share.host.id)
    return tuple(hosts)
