"""What holds for every violation: a remedy that is applied leaves none, shown by a count of the whole layout."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

import licensing
from estate.clock import JST
from estate.records import Entitlement
from layout.records import HostSet, Layout, MoveRecord, Product
from licensing.remedies import with_remedies
from licensing.remedies.changed_layouts import exchanged_for_a_while
from tests.licensing.remedies.plans import held, plan
from tests.licensing.small_layouts import host, layout, vm

RULES = (
    "microsoft-sql-server.core-per-vm",
    "microsoft-windows-server.core-standard",
    "nec-webotx.core-pair",
    "oracle-database-enterprise.processor",
    "redhat-rhel.guest-pair",
    "sraoss-powergres.os",
    "ubuntu-pro.host",
)
YEAR = datetime(2027, 4, 1, tzinfo=JST)
SOMETIMES = settings(deadline=None, max_examples=40)


@st.composite
def plans(draw):
    """Up to three rules on up to six VMs that may move and grow, with some licences held for a part of the year."""
    hosts = [host(f"h{i}", draw(st.integers(1, 2)), draw(st.integers(2, 16))) for i in range(draw(st.integers(1, 4)))]
    rules = draw(st.lists(st.sampled_from(RULES), min_size=1, max_size=3, unique=True))
    vms = []
    for number in range(draw(st.integers(1, 6))):
        begin = YEAR + timedelta(days=draw(st.integers(0, 300)))
        changes = [(begin, begin + timedelta(days=draw(st.integers(1, 60))), draw(st.integers(1, 12)))]
        vms.append(
            vm(
                f"v{number}",
                draw(st.sampled_from(hosts)).id,
                [Product(rule=rule) for rule in draw(st.lists(st.sampled_from(rules), unique=True))],
                vcpu=draw(st.integers(1, 8)),
                vcpu_max=12,
                may_run_on=draw(st.sampled_from(["all", None])),
                changes=changes if draw(st.booleans()) else [],
                tenant=draw(st.sampled_from(["hita", "usa"])),
            )
        )
    entitlements = [
        held(
            rule,
            draw(st.integers(0, 40)),
            name=f"e-{i}",
            tenants=draw(st.sampled_from([(), ("hita",)])),
            until=draw(st.sampled_from([None, (YEAR + timedelta(days=150)).date()])),
        )
        for i, rule in enumerate(rules)
    ]
    return layout(hosts, vms), entitlements


def violations(changed: Layout, entitlements, rule: str):
    found = licensing.count(changed, fiscal_year=2027, entitlements=entitlements).violations
    return [violation for violation in found if violation.rule == rule]


def bought(rule: str, quantity: float) -> list[Entitlement]:
    return [held(rule, quantity, name="bought")] if quantity else []


def remedies_of(drawn):
    changed, entitlements = drawn
    counted = licensing.count(changed, fiscal_year=2027, entitlements=entitlements)
    found = with_remedies(plan(changed, entitlements), counted, None, years=5)
    return {remedies.rule: {option.kind: option for option in remedies.options} for remedies in found.remedies}


@SOMETIMES
@given(plans())
def test_buying_the_peak_leaves_no_violation_and_one_licence_less_does(drawn):
    changed, entitlements = drawn
    for rule, options in remedies_of(drawn).items():
        option = options["buy-peak"]
        assert option.feasible
        assert violations(changed, [*entitlements, *bought(rule, option.quantity)], rule) == []
        less = option.quantity - (1 if option.packs is None else option.quantity / option.packs)
        assert violations(changed, [*entitlements, *bought(rule, less)], rule) != []


@SOMETIMES
@given(plans())
def test_pinning_leaves_no_violation_and_needs_less(drawn):
    changed, entitlements = drawn
    for rule, options in remedies_of(drawn).items():
        option = options["pin"]
        if option.feasible:
            assert option.quantity < options["buy-peak"].quantity
            more = [*entitlements, *bought(rule, option.quantity)]
            ways = (kept_on(changed, option.hosts, rule), pinned(changed, rule))
            assert any(violations(way, more, rule) == [] for way in ways)
            assert {v.host for v in changed.vms if rule in {p.rule for p in v.products}} <= set(option.hosts)


@SOMETIMES
@given(plans())
def test_doing_without_growth_leaves_no_violation(drawn):
    changed, entitlements = drawn
    for rule, options in remedies_of(drawn).items():
        option = options["retime"]
        if option.feasible:
            vms = tuple(
                v.model_copy(update={"vcpu_changes": tuple(c for c in v.vcpu_changes if c.vcpu < v.vcpu)})
                for v in changed.vms
            )
            calm = changed.model_copy(update={"vms": vms})
            assert violations(calm, [*entitlements, *bought(rule, option.quantity)], rule) == []


def kept_on(changed: Layout, hosts, rule: str) -> Layout:
    """The rule's VMs on these hosts only; small layouts have the set `all` and one per host."""
    sets = (*changed.host_sets, HostSet(id="kept", hosts=tuple(hosts)))
    vms = tuple(
        v.model_copy(update={"may_run_on": "kept"})
        if v.may_run_on == "all" and rule in {product.rule for product in v.products}
        else v
        for v in changed.vms
    )
    return changed.model_copy(update={"host_sets": sets, "vms": vms})


def pinned(changed: Layout, rule: str) -> Layout:
    vms = tuple(
        v.model_copy(update={"pinned": True}) if rule in {p.rule for p in v.products} else v for v in changed.vms
    )
    return changed.model_copy(update={"vms": vms})


@SOMETIMES
@given(plans(), st.data())
def test_a_life_in_pieces_counts_as_one(drawn, data):
    """Metering cuts a VM's life into records; without another rule the count must not notice."""
    changed, _ = drawn
    moving = changed.vms[0]
    to = data.draw(st.sampled_from(changed.hosts)).id
    moved = YEAR + timedelta(days=data.draw(st.integers(1, 365)))
    changed = changed.model_copy(
        update={"moves": (MoveRecord(vm=moving.id, at=moved, from_host=moving.host, to_host=to),)}
    )
    cuts = sorted(data.draw(st.sets(st.integers(0, 366), min_size=2, max_size=4)))
    spans = [(YEAR + timedelta(days=a), YEAR + timedelta(days=b)) for a, b in pairwise(cuts)][::2]
    cut = exchanged_for_a_while(changed, {moving.id: spans}, lambda product: product)

    def quantities(of):
        products = licensing.count(of, fiscal_year=2027, entitlements=None, series=True).products
        return [(p.rule, p.quantity, [(s.from_, s.until, s.quantity) for s in p.series]) for p in products]

    assert quantities(cut) == quantities(changed)
