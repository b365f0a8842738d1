"""What must hold for every layout, and the timeline against a recount of every hour."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

import licensing
from estate.clock import JST
from estate.records import Entitlement
from layout.records import MoveRecord, Product
from licensing import rulebook, violations
from licensing.lines import lines_of
from licensing.reach import Reach
from licensing.records import OptionValue, Rule
from licensing.timeline import evaluate, owed, required, steps
from tests.licensing.case_files import CASES
from tests.licensing.small_layouts import host, layout, vm

# How long one example takes says how busy the machine is, and nothing about the count.
WHATEVER_IT_TAKES = settings(deadline=None)
A_FEW = settings(deadline=None, max_examples=30)

BOOK = rulebook.load_rules(CASES / "rules")
REACH_RULE = "oracle-database-enterprise.processor"
FLOOR_RULE = "microsoft-sql-server.core-per-vm"
LOOKS_BACK = "acme-vault.ran-on"
START = datetime(2027, 4, 1, tzinfo=JST)


def stated(rule: Rule) -> dict[str, OptionValue]:
    """What a use must say of itself: the number that the rule counts."""
    names = {counting.units_option for version in rule.versions for counting in version.counts}
    return {name: 30 for name in names if name is not None}


def on_any_server(rule: Rule) -> bool:
    ways = [counting for version in rule.versions for counting in version.counts]
    return all(way.rights.max_socket_capacity is None for way in ways)


EVERY_RULE = [Product(rule=rule.id, options=stated(rule)) for rule in BOOK.rules.values()]
ON_ANY_SERVER = [product for product in EVERY_RULE if on_any_server(BOOK.rules[product.rule])]
OTHER_RULES = [product for product in EVERY_RULE if product.rule != FLOOR_RULE]

sizes = st.tuples(st.integers(1, 4), st.integers(1, 24), st.sampled_from([0.25, 0.5, 0.75, 1.0]))


def counts(plan) -> dict[str, float]:
    reach = Reach.of(plan)
    return {line.rule.id: evaluate(line, reach, START).tally.quantity for line in lines_of(plan, BOOK)}


def make_hosts(shapes):
    return [
        host(f"h{number}", sockets, cores, {"oracle": factor, "fujitsu": factor})
        for number, (sockets, cores, factor) in enumerate(shapes)
    ]


@WHATEVER_IT_TAKES
@given(st.lists(sizes, min_size=2, max_size=8), st.data())
def test_a_host_more_in_the_reach_never_lowers_a_count(shapes, data):
    hosts = make_hosts(shapes)
    few = data.draw(st.sets(st.sampled_from([h.id for h in hosts]), min_size=1))
    more = few | {data.draw(st.sampled_from([h.id for h in hosts]))}
    start = data.draw(st.sampled_from(sorted(few)))

    def plan(members):
        return layout(hosts, [vm("a", start, ON_ANY_SERVER, may_run_on="some")], sets={"some": sorted(members)})

    before, after = counts(plan(few)), counts(plan(more))
    assert all(after[rule] >= before[rule] for rule in before)


@A_FEW
@given(st.lists(sizes, min_size=1, max_size=5), st.lists(st.integers(1, 40), min_size=1, max_size=8), st.randoms())
def test_order_does_not_matter(shapes, vcpus, rng):
    hosts = make_hosts(shapes)
    vms = [
        vm(f"v{number}", hosts[number % len(hosts)].id, ON_ANY_SERVER, vcpu=vcpu, may_run_on=rng.choice(["all", None]))
        for number, vcpu in enumerate(vcpus)
    ]
    held = [Entitlement(id=str(i), rule=rule, quantity=7, source="契約書") for i, rule in enumerate(BOOK.rules)]
    one = layout(hosts, vms)
    two = layout(rng.sample(hosts, len(hosts)), rng.sample(vms, len(vms)))
    digest = "0" * 64
    results = [
        licensing.count(
            plan,
            fiscal_year=2027,
            entitlements=rng.sample(held, len(held)),
            rules_dir=CASES / "rules",
            layout_digest=digest,
        ).to_json()
        for plan in (one, two)
    ]
    assert results[0] == results[1]


def counts_vcpus(rule: Rule) -> bool:
    return all(counting.base == "vcpu" for counting in rule.versions[-1].counts)


PER_VCPU = [product for product in EVERY_RULE if counts_vcpus(BOOK.rules[product.rule])]


@WHATEVER_IT_TAKES
@given(st.integers(2, 64), st.data())
def test_splitting_a_vm_never_lowers_a_count_with_floors(vcpu, data):
    part = data.draw(st.integers(1, vcpu - 1))
    whole = layout([host("h")], [vm("a", "h", PER_VCPU, vcpu=vcpu)])
    split = layout([host("h")], [vm("a", "h", PER_VCPU, vcpu=part), vm("b", "h", PER_VCPU, vcpu=vcpu - part)])
    before, after = counts(whole), counts(split)
    assert FLOOR_RULE in before
    assert all(after[rule] >= before[rule] for rule in before)


def random_plan(seed: int):
    """Four hosts, ten VMs that come, go, grow and move at odd minutes of 30 days."""
    rng = random.Random(seed)  # noqa: S311 - test data

    def hours(low: int, high: int) -> datetime:
        return START + timedelta(hours=rng.randint(low, high))

    hosts = [
        host(f"h{number}", 2, 4 + number, {"oracle": rng.choice([0.25, 0.5]), "fujitsu": 0.5}) for number in range(4)
    ]
    vms, moves = [], []
    for number in range(10):
        name, on = f"v{number}", rng.choice(hosts).id
        first = hours(0, 300)
        second = first + timedelta(hours=rng.randint(1, 200))
        third = second + timedelta(hours=rng.randint(1, 200))
        vms.append(
            vm(
                name,
                on,
                [Product(rule=FLOOR_RULE), *rng.sample(OTHER_RULES, 8)],
                vcpu=rng.randint(1, 6),
                vcpu_max=32,
                may_run_on=rng.choice(["all", "pair", None]),
                pinned=rng.random() < 0.3,
                changes=[(first, second, rng.randint(7, 20)), (second, third, rng.randint(2, 32))],
                tenant=rng.choice(["hita", "usa"]),
                from_=rng.choice([None, hours(1, 200)]),
                until=rng.choice([None, hours(300, 700)]),
            )
        )
        here = on
        for when in sorted({hours(0, 719) for _ in range(rng.randint(0, 3))}):
            there = rng.choice(hosts).id
            moves.append(MoveRecord(vm=name, at=when, from_host=here, to_host=there))
            here = there
    return layout(hosts, vms, sets={"pair": ["h0", "h1"]}, moves=moves)


@pytest.mark.parametrize("seed", range(6))
def test_the_timeline_equals_a_recount_of_every_hour(seed):
    plan = random_plan(seed)
    reach = Reach.of(plan)
    end = START + timedelta(days=30)
    instants = [START + timedelta(hours=hour) for hour in range(720)]
    for line in lines_of(plan, BOOK):
        series = steps(line, reach, START, end)
        assert series[0].from_ == START
        assert series[-1].until == end
        assert all(one.until == two.from_ for one, two in pairwise(series))
        hourly = [evaluate(line, reach, instant).tally.quantity for instant in instants]
        [law] = {step.version.time.law for step in series}
        told = [next(s for s in series if s.from_ <= instant < s.until).tally.quantity for instant in instants]
        # The plan changes on the hour and not after these days: the peak of the period is the greatest of them.
        assert told == ([max(hourly)] * 720 if law == "concurrent-peak" else hourly)
        assert required(series).tally.quantity == max(hourly)
        assert owed(series).quantity == (sum(hourly) if law == "hourly-meter" else max(hourly))


@pytest.mark.parametrize("seed", range(6))
def test_violations_equal_a_recount_of_every_hour(seed):
    """For licences that serve every VM, a shortfall at an hour is what the hour needs beyond what is held."""
    plan = random_plan(seed)
    reach = Reach.of(plan)
    held = Entitlement(id="e", rule=FLOOR_RULE, quantity=24, source="契約書")
    found = licensing.count(plan, fiscal_year=2027, entitlements=[held], rules_dir=CASES / "rules").violations
    line = next(line for line in lines_of(plan, BOOK) if line.rule.id == FLOOR_RULE)
    shortfalls = 0
    for hour in range(720):
        instant = START + timedelta(hours=hour)
        needed = evaluate(line, reach, instant).tally.quantity
        missing = sum(v.needed - v.held for v in found if v.rule == FLOOR_RULE and v.from_ <= instant < v.until)
        assert missing == max(0, needed - 24)
        shortfalls += missing > 0
    assert shortfalls > 0


pool_scopes = st.tuples(
    st.integers(0, 12),
    st.sets(st.sampled_from(["hita", "usa", "beppu"]), max_size=2),
    st.sets(st.sampled_from(["tax", "welfare", "pension"]), max_size=2),
)
needs = st.tuples(
    st.sampled_from(["hita", "usa", "beppu"]), st.sampled_from(["tax", "welfare", "pension"]), st.integers(4, 12)
)


@WHATEVER_IT_TAKES
@given(st.lists(pool_scopes, min_size=1, max_size=5), st.lists(needs, min_size=1, max_size=7))
def test_as_many_licences_as_possible_are_assigned(pools, vms):
    """What stays missing is what a maximum flow from licences to VMs leaves (scipy's, as an independent answer)."""
    product = [Product(rule=FLOOR_RULE)]
    plan = layout(
        [host("h")],
        [vm(f"v{i}", "h", product, vcpu=need, tenant=t, system=s) for i, (t, s, need) in enumerate(vms)],
    )
    held = [
        Entitlement(id=f"e{i}", rule=FLOOR_RULE, quantity=n, tenants=tuple(t), systems=tuple(s), source="契約書")
        for i, (n, t, s) in enumerate(pools)
    ]
    start, end = START, START + timedelta(days=1)
    reach = Reach.of(plan)
    counted = [(line, steps(line, reach, start, end)) for line in lines_of(plan, BOOK)]
    missing = sum(v.needed - v.held for v in violations.find(counted, held, reach, start, end))

    size = 2 + len(pools) + len(vms)
    capacity = np.zeros((size, size), dtype=np.int32)
    for i, (n, tenants, systems) in enumerate(pools):
        capacity[0, 2 + i] = n
        for j, (tenant, system, need) in enumerate(vms):
            if (not tenants or tenant in tenants) and (not systems or system in systems):
                capacity[2 + i, 2 + len(pools) + j] = need
    for j, (_, _, need) in enumerate(vms):
        capacity[2 + len(pools) + j, 1] = need
    served = maximum_flow(csr_array(capacity), 0, 1).flow_value
    assert missing == sum(need for _, _, need in vms) - served


def test_a_floor_of_the_whole_product_is_owed_beyond_its_vms(tmp_path: Path):
    text = (rulebook.SHIPPED / f"{FLOOR_RULE}.yaml").read_text(encoding="utf-8")
    (tmp_path / "rule.yaml").write_text(
        text.replace("floors: {per_vm: 4}", "floors: {per_vm: 4, per_product: 16}"), encoding="utf-8"
    )
    plan = layout([host("h")], [vm("a", "h", [Product(rule=FLOOR_RULE)], vcpu=6)])

    def judged(quantity):
        held = Entitlement(id="e", rule=FLOOR_RULE, quantity=quantity, source="契約書")
        return licensing.count(plan, fiscal_year=2027, entitlements=[held], rules_dir=tmp_path)

    assert judged(16).products[0].quantity == 16
    assert judged(16).violations == ()
    [found] = judged(10).violations
    assert (found.vm, found.host, found.held, found.needed) == (None, None, 10, 16)
    assert "製品の下限により 16" in judged(10).products[0].because


def test_rounding_per_processor_is_another_answer(tmp_path: Path):
    """T1: the same hosts under a rule that rounds per processor, as one tool does; Oracle's text rounds once."""
    text = (rulebook.SHIPPED / f"{REACH_RULE}.yaml").read_text(encoding="utf-8")
    # The first way to count is that of physical cores; a VM's cores have no processor to be rounded on.
    changed = text.replace("rounding: factor-group", "rounding: processor", 1)
    assert changed != text
    (tmp_path / "rule.yaml").write_text(changed, encoding="utf-8")
    hosts = [host("h0", 2, 5, {"oracle": 0.25}), host("h1", 2, 5, {"oracle": 0.25})]
    plan = layout(hosts, [vm("a", "h0", [Product(rule=REACH_RULE)], may_run_on="all")])
    once = licensing.count(plan, fiscal_year=2027, entitlements=None).products[0]
    each = licensing.count(plan, fiscal_year=2027, entitlements=None, rules_dir=tmp_path).products[0]
    assert (once.quantity, each.quantity) == (5, 8)


def test_a_peak_is_owed_for_its_whole_quarter():
    """The made-up vendor takes the peak of each quarter: two more guests in May count from April to June."""
    product = [Product(rule="acme-vault.host-quarter")]
    may, june = datetime(2027, 5, 10, tzinfo=JST), datetime(2027, 6, 1, tzinfo=JST)
    vms = [vm("a", "h", product), *(vm(name, "h", product, from_=may, until=june) for name in ("b", "c"))]
    held = Entitlement(id="e", rule=product[0].rule, quantity=15, source="契約書")
    plan = layout([host("h", 2, 4)], vms)
    [found] = licensing.count(plan, fiscal_year=2027, entitlements=[held], rules_dir=CASES / "rules").violations
    # 2 sockets of 4 cores -> floor 10, x 1.5 = 15; three guests need two sets.
    assert (found.from_, found.until) == (START, datetime(2027, 7, 1, tzinfo=JST))
    assert (found.held, found.needed) == (15, 30)


@A_FEW
@given(st.integers(0, 200))
@example(89)
@example(90)
def test_a_window_looks_back_so_many_days(days):
    """V17 in general: the host that a VM left counts until the window has passed."""
    left = START + timedelta(days=10)
    plan = layout(
        [host("h0"), host("h1")],
        [vm("a", "h0", [Product(rule=LOOKS_BACK)])],
        moves=[MoveRecord(vm="a", at=left, from_host="h0", to_host="h1")],
    )
    [line] = lines_of(plan, BOOK)
    reach = Reach.of(plan)
    now = evaluate(line, reach, left + timedelta(days=days)).tally
    assert now.quantity == (2 if days < 90 else 1)
    series = steps(line, reach, START, START + timedelta(days=365))
    changes = [START, left, left + timedelta(days=90)]
    assert [(step.from_, step.tally.quantity) for step in series] == list(zip(changes, (1, 2, 1), strict=True))


def test_a_vm_never_ran_on_a_host_it_left_before_it_began():
    left, began = START + timedelta(days=10), START + timedelta(days=20)
    plan = layout(
        [host("h0"), host("h1")],
        [vm("a", "h0", [Product(rule=LOOKS_BACK)], from_=began)],
        moves=[MoveRecord(vm="a", at=left, from_host="h0", to_host="h1")],
    )
    [line] = lines_of(plan, BOOK)
    [share] = evaluate(line, Reach.of(plan), began).tally.shares
    assert share.host.id == "h1"


def test_a_peak_of_the_fiscal_year_begins_in_april(tmp_path: Path):
    text = (CASES / "rules" / "acme-vault.host-quarter.yaml").read_text(encoding="utf-8")
    (tmp_path / "rule.yaml").write_text(text.replace("period: quarter", "period: fiscal-year"), encoding="utf-8")
    january, february = datetime(2028, 1, 10, tzinfo=JST), datetime(2028, 2, 1, tzinfo=JST)
    product = [Product(rule="acme-vault.host-quarter")]
    vms = [vm("a", "h", product), *(vm(name, "h", product, from_=january, until=february) for name in ("b", "c"))]
    plan = layout([host("h", 2, 4)], vms)
    [line] = lines_of(plan, rulebook.load_rules(tmp_path))
    series = steps(line, Reach.of(plan), START, START + timedelta(days=366 + 30))
    new_year = datetime(2028, 4, 1, tzinfo=JST)
    assert [(step.from_, step.tally.quantity) for step in series] == [(START, 30), (new_year, 15)]


def test_the_largest_factor_holds_where_uses_of_one_host_differ():
    vms = [
        vm(name, "h", [Product(rule=REACH_RULE, options={"core_factor": factor})])
        for name, factor in (("a", 1.0), ("b", 0.25), ("c", 0.5))
    ]
    assert counts(layout([host("h", 2, 4)], vms))[REACH_RULE] == 8
