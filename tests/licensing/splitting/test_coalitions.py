"""v(S) is what `licensing.count` says of a layout that holds the VMs of S only: for every rule and time law."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

import licensing
from estate.clock import JST
from layout.licence_records import ProductResult
from layout.records import Layout, MoveRecord, Product
from licensing import LicensingError, rulebook
from licensing.splitting import Coalitions, shapley
from tests.licensing.small_layouts import host, layout, vm

RULES = Path(__file__).parents[2] / "cases" / "splitting" / "rules"
BOOK = rulebook.load_rules(RULES)
TOWNS = ("kou", "otsu", "hei", "tei")
SHARED = {"certificate-server": frozenset(("kou", "hei")), "offsite-copy": frozenset(TOWNS)}
RESIDENTS = {"kou": 61_361, "otsu": 35_532, "hei": 6_962, "tei": 17_344}
FACTORS = {"oracle": 0.5, "ibm": 70.0, "pvu": 70.0}
YEAR = datetime(2027, 4, 1, tzinfo=JST)
SETS = ({"some": ["h0", "h2"]}, {"some": ["h1"]}, {"some": ["h0", "h1", "h2"]})


@pytest.fixture(autouse=True)
def _rules_read_once(monkeypatch):
    """Reading all rule files takes longer than counting these small layouts hundreds of times."""
    for module in ("counting", "splitting.coalitions"):
        monkeypatch.setattr(f"licensing.{module}.load_rules", lambda folder: BOOK)


def some_day(rng: random.Random) -> datetime:
    return YEAR + timedelta(hours=rng.randrange(-2000, 366 * 24), minutes=rng.choice((0, 0, 30)))


def some_options(rng: random.Random, rule_id: str) -> dict[str, object]:
    options = {}
    for name, option in BOOK.rules[rule_id].options.items():
        if option.default is None or rng.random() < 0.5:
            if option.choices:
                options[name] = rng.choice(option.choices)
            else:
                options[name] = rng.randrange(1, 30) if option.number else rng.choice(("a", "b"))
    return options


def some_vm(rng: random.Random, number: int, tenant: str, rule_id: str, options) -> object:
    joined, left = sorted((some_day(rng), some_day(rng)))
    busy = sorted({some_day(rng) for _ in range(4)}) if rng.random() < 0.5 else []
    changes = [(a, b, rng.randrange(1, 17)) for a, b in zip(busy[::2], busy[1::2], strict=False)]
    system = rng.choice(sorted(SHARED)) if tenant == "common" else rng.choice(("resident-tax", "welfare"))
    return vm(
        f"vm{number}",
        rng.choice(("h0", "h1", "h2")),
        [Product(rule=rule_id, options=options)],
        vcpu=rng.randrange(1, 17),
        may_run_on=rng.choice(("all", "some", None)),
        pinned=rng.random() < 0.3,
        changes=changes,
        tenant=tenant,
        system=system,
        from_=joined if rng.random() < 0.3 else None,
        until=left if rng.random() < 0.3 else None,
    )


def some_layout(rng: random.Random, rule_id: str) -> Layout:
    """Few hosts and VMs of four towns and what they share, all with one product, a host with it now and then."""
    options = some_options(rng, rule_id)
    other = some_options(rng, rule_id)
    vms = [
        some_vm(rng, number, rng.choice((*TOWNS, "common")), rule_id, rng.choice((options, other)))
        for number in range(rng.randrange(1, 9))
    ]
    installed = [Product(rule=rule_id, options=options)] if rng.random() < 0.2 else []
    hosts = [
        host("h0", 2, 8, FACTORS, products=installed),
        host("h1", 1, rng.choice((4, 12)), FACTORS),
        host("h2", 2, 16, {**FACTORS, "oracle": 1.0}),
    ]
    moves = []
    for each in vms:
        if rng.random() < 0.2 and not each.pinned:
            to = rng.choice([name for name in ("h0", "h1", "h2") if name != each.host])
            moves.append(MoveRecord(vm=each.id, at=some_day(rng), from_host=each.host, to_host=to))
    return layout(hosts, vms, sets=rng.choice(SETS), moves=moves)


def there(plan: Layout, tenants: frozenset[str]) -> Layout:
    """The layout with the VMs of some tenants, and the shared ones that one of them uses."""
    kept = [
        each
        for each in plan.vms
        if (not SHARED[each.system].isdisjoint(tenants) if each.tenant == "common" else each.tenant in tenants)
    ]
    names = {each.id for each in kept}
    return plan.model_copy(update={"vms": tuple(kept), "moves": tuple(move for move in plan.moves if move.vm in names)})


def counted(plan: Layout) -> dict[str, ProductResult]:
    result = licensing.count(plan, fiscal_year=2027, entitlements=None, rules_dir=RULES, residents=RESIDENTS)
    return {repr((product.rule, sorted(product.options.items()))): product for product in result.products}


def coalitions(plan: Layout) -> Coalitions:
    return Coalitions(plan, fiscal_year=2027, shared=SHARED, rules_dir=RULES, residents=RESIDENTS)


SETS_OF_TOWNS = [frozenset(some) for size in range(1, 5) for some in combinations(TOWNS, size)]
PRICED = ("quantity", "packs", "grades", "law", "evidence", "unverified")


@pytest.mark.parametrize("rule_id", sorted(BOOK.rules))
def test_a_coalition_counts_as_its_layout_does(rule_id):
    rng = random.Random(rule_id)  # noqa: S311 - test data
    compared = 0
    for _ in range(40):
        plan = some_layout(rng, rule_id)
        try:
            whole = counted(plan)
        except LicensingError:
            continue  # options that the rule refuses; `compared` says that enough are left
        fast = coalitions(plan)
        for tenants in rng.sample(SETS_OF_TOWNS, 6):
            alone = counted(there(plan, tenants))
            for name, product in whole.items():
                found = fast.need(product, tenants)
                if name not in alone:
                    assert (found.quantity, found.packs or 0, found.grades) == (0, 0, ())
                    continue
                assert {key: getattr(found, key) for key in PRICED} == {
                    key: getattr(alone[name], key) for key in PRICED
                }
                assert (found.at, found.until) == (alone[name].at, alone[name].until)
                compared += 1
        if compared >= 60:
            break
    assert compared >= 30


@pytest.mark.parametrize("seed", range(6))
def test_shapley_of_counts_is_the_definition_over_whole_layouts(seed):
    rng = random.Random(seed)  # noqa: S311 - test data
    plan = some_layout(rng, rng.choice(["acme-hour.unit", "acme-month.unit", "acme-quarter.unit", "acme-guests.unit"]))
    product = next(iter(counted(plan).values()))

    def price(found: ProductResult) -> int:
        return round(found.quantity * 1000)

    @cache
    def slow(tenants):
        return sum(price(found) for found in counted(there(plan, tenants)).values())

    assert shapley.exact(TOWNS, coalitions(plan).cost(product, price)) == shapley.exact(TOWNS, slow)


def test_a_price_is_asked_once_per_different_set_of_vms():
    asked = []

    def price(found: ProductResult) -> int:
        asked.append(found.quantity)
        return int(found.quantity)

    product = Product(rule="acme-versions.unit")
    plan = layout([host("h0")], [vm(name, "h0", [product], tenant=name) for name in ("kou", "otsu")])
    cost = coalitions(plan).cost(next(iter(counted(plan).values())), price)
    found = shapley.exact(TOWNS, cost)
    assert len(asked) == 2**2
    assert cost(frozenset()) == 0
    assert (found["hei"], found["tei"]) == (0, 0)
    assert found["kou"] == found["otsu"] == 15


def test_a_product_on_hosts_belongs_to_every_group_of_tenants():
    product = Product(rule="acme-quarter.unit")
    plan = layout([host("h0", 2, 8, products=[product])], [vm("a", "h0", [], tenant="kou")])
    need = coalitions(plan).need(counted(plan).popitem()[1], ["otsu"])
    assert need.quantity == 16


def test_a_foreign_product_is_refused():
    one = layout([host("h0")], [vm("a", "h0", [Product(rule="acme-hour.unit")], tenant="kou")])
    two = layout([host("h0")], [vm("a", "h0", [Product(rule="acme-month.unit")], tenant="kou")])
    with pytest.raises(LicensingError, match=r"acme-month\.unit: この配置にない製品です"):
        coalitions(one).need(next(iter(counted(two).values())), ["kou"])
