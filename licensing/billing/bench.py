"""A made-up layout of one host, counted and priced by the real engine: where two metrics are tried side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from layout.licence_records import ProductResult
from layout.records import EstateReference, HostRecord, HostSet, Layout, Product, VmRecord

from ..counting import product_of
from ..lines import lines_of
from ..pricing import PriceBook
from ..reach import Reach
from ..records import OptionValue, Rule
from ..rulebook import version_at
from ..timeline import fiscal_span, owed, steps

_SET = "all"


@dataclass(frozen=True)
class Trial:
    """One metric with the options under which it is tried."""

    rule: Rule
    options: Mapping[str, OptionValue]
    hourly: bool
    users: str | None
    """Option that says how many people use it, of metrics that count them."""
    by_vcpu: bool
    evidence: str
    """Evidence mark of the rule's version."""


@dataclass(frozen=True)
class Bench:
    """A host and guests like those that the product has in the plan."""

    host: HostRecord
    vcpu: int
    """vCPUs of one guest."""
    options: Mapping[str, OptionValue]
    """Options of the product's use in the plan."""
    fiscal_year: int
    years: int
    book: PriceBook

    @classmethod
    def of(cls, product: ProductResult, layout: Layout, book: PriceBook, years: int) -> Bench | None:
        """Answers the bench of a product: its most frequent host model, guest and options; None where no VM has it."""
        rule = book.rules.rule(product.rule, "製品")
        hosts = {host.id: host for host in layout.hosts}
        seen: Counter[tuple[str, int, str]] = Counter()
        kept: dict[tuple[str, int, str], tuple[HostRecord, Mapping[str, OptionValue]]] = {}
        for line in lines_of(layout, book.rules):
            if line.rule.id != rule.id or dict(line.options) != dict(product.options):
                continue
            for seat in line.vms:
                host = hosts[seat.owner.host]
                key = (repr((host.model, host.sockets, host.cores_per_socket)), seat.owner.vcpu, repr(seat.options))
                seen[key] += 1
                kept.setdefault(key, (host, seat.options))
        if not seen:
            return None
        key = max(sorted(seen), key=lambda each: seen[each])
        host, options = kept[key]
        return cls(host, key[1], options, layout.estate.fiscal_year, years, book)

    def trial(self, rule: Rule, wanted: Mapping[str, OptionValue]) -> Trial:
        """Answers a metric to try: `wanted` options first, then those of the plan's use that it has as well."""
        known = {name: value for name, value in self.options.items() if name in rule.options}
        start, _ = fiscal_span(self.fiscal_year)
        version = version_at(rule, start.date())
        users = [way.users.option for way in version.counts if way.users is not None]
        return Trial(
            rule=rule,
            options={**known, **wanted},
            hourly=version.time.law == "hourly-meter",
            users=users[0] if users else None,
            by_vcpu=all(way.base in ("vcpu", "vcpu-core") for way in version.counts),
            evidence=version.evidence,
        )

    def yen(self, trial: Trial, *, guests: int = 1, hours: int | None = None, users: int | None = None) -> int | None:
        """Answers what so many guests, hours of the year or users cost over the contract; None without a price.

        Raises LicensingError where the metric cannot count such a layout.
        """
        product = self._count(trial, guests, hours, users)
        parts = self.book.cost(product, self.years)
        return None if parts is None else sum(sum(part.by_year) for part in parts)

    def why_unpriced(self, trial: Trial) -> str | None:
        """Answers why the metric has no price; None where it has one."""
        return self.book.why_unpriced(self._count(trial, 1, None, 1))

    def _count(self, trial: Trial, guests: int, hours: int | None, users: int | None) -> ProductResult:
        start, end = fiscal_span(self.fiscal_year)
        until = end if hours is None else start + timedelta(hours=hours)
        options = dict(trial.options)
        if trial.users is not None:
            options[trial.users] = 1 if users is None else users
        use = Product(rule=trial.rule.id, options=options)
        host = self.host.model_copy(update={"products": ()})
        layout = Layout(
            estate=EstateReference(name="損益分岐", digest="", fiscal_year=self.fiscal_year),
            generation=1,
            hosts=(host,),
            host_sets=(HostSet(id=_SET, hosts=(host.id,)),),
            vms=tuple(self._guests(guests, use, until)),
        )
        (line,) = lines_of(layout, self.book.rules)
        of = steps(line, Reach.of(layout), start, end)
        return product_of(line, owed(of), None)

    def _guests(self, number: int, use: Product, until: datetime) -> Iterable[VmRecord]:
        start, _ = fiscal_span(self.fiscal_year)
        for index in range(1, number + 1):
            yield VmRecord(
                id=f"guest-{index}",
                tenant="t",
                system="s",
                host=self.host.id,
                may_run_on=_SET,
                pinned=True,
                vcpu=self.vcpu,
                vcpu_max=self.vcpu,
                until=until,
                products=(use,),
                **{"from": start},  # type: ignore[arg-type]  # a keyword of Python
            )
