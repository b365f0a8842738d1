"""Break-evens by hand: they move with the prices, so no constant can be behind them."""

from __future__ import annotations

import pytest

import licensing
from layout.records import Product
from licensing import pricing
from licensing.billing import break_even
from tests.licensing.pricing.lists import book
from tests.licensing.small_layouts import host, layout, vm

WINDOWS = "microsoft-windows-server.core"
SQL = "microsoft-sql-server.core"
ORACLE = "oracle-database-enterprise"


def found(of, product, *, years=1, vcpu=4, sockets=2, cores=16):
    """By (rule, other): where the second becomes cheaper, for one VM with the product."""
    small = layout([host("kvm01", sockets, cores)], [vm("a", "kvm01", [product], vcpu=vcpu)])
    counted = licensing.count(small, fiscal_year=2027, entitlements=None).products
    return {(pair.rule, pair.other): pair for pair in break_even.find(counted, small, of, years)}


@pytest.mark.parametrize(
    ("datacenter", "standard", "guests"),
    [
        (6155, 1069, 11),  # 5.76 sets of two guests: the sixth set is dearer
        (459, 100, 9),  # ServiceNow's 4.59: the fifth set
        (400, 100, 9),  # at exactly four sets both cost the same: Datacenter is not cheaper yet
        (399, 100, 7),
    ],
)
def test_guests_from_which_windows_datacenter_beats_standard(tmp_path, datacenter, standard, guests):
    of = book(
        tmp_path,
        f"rule: {WINDOWS}-datacenter, kind: perpetual, amount: {datacenter}",
        f"rule: {WINDOWS}-standard, kind: perpetual, amount: {standard}",
    )
    for name in ("standard", "datacenter"):
        pair = found(of, Product(rule=f"{WINDOWS}-{name}"))[f"{WINDOWS}-standard", f"{WINDOWS}-datacenter"]
        assert (pair.at, pair.variable) == (guests, "1 ホストのゲストの数")
        assert f"{guests} 台以上なら" in pair.because


def test_a_metric_that_never_gets_cheaper_says_so(tmp_path):
    of = book(
        tmp_path,
        f"rule: {WINDOWS}-datacenter, kind: perpetual, amount: 1000000",
        f"rule: {WINDOWS}-standard, kind: perpetual, amount: 1",
    )
    pair = found(of, Product(rule=f"{WINDOWS}-standard"))[f"{WINDOWS}-standard", f"{WINDOWS}-datacenter"]
    assert pair.at is None
    assert "64 台まで" in pair.because


@pytest.mark.parametrize(("years", "hours"), [(1, 1001), (2, 501), (5, 201)])
def test_hours_from_which_buying_beats_the_meter(tmp_path, years, hours):
    """4 cores bought for 4 x 10,000 yen; the meter takes 4 x 10 yen an hour in each year: equal at 1,000 hours."""
    of = book(
        tmp_path,
        f"rule: {SQL}-per-vm, kind: perpetual, amount: 10000",
        f"rule: {SQL}-hourly, kind: metered, amount: 10",
    )
    pair = found(of, Product(rule=f"{SQL}-per-vm"), years=years)[f"{SQL}-hourly", f"{SQL}-per-vm"]
    assert (pair.at, pair.variable) == (hours, "年間の稼働時間")


def test_a_meter_that_is_always_cheaper(tmp_path):
    of = book(
        tmp_path,
        f"rule: {SQL}-per-vm, kind: perpetual, amount: 10000",
        f"rule: {SQL}-hourly, kind: metered, amount: 1",
    )
    assert found(of, Product(rule=f"{SQL}-per-vm"))[f"{SQL}-hourly", f"{SQL}-per-vm"].at is None


@pytest.mark.parametrize(("vcpu", "at"), [(4, 36), (8, 40), (2, 18)])
def test_vcpus_of_a_host_from_which_its_cores_are_cheaper(tmp_path, vcpu, at):
    """32 cores cost 32 x 100; per VM 100 a core, at least 4: nine guests of 4, five of 8, nine of 2 (each counts 4)."""
    of = book(
        tmp_path,
        f"rule: {SQL}-per-vm, kind: perpetual, amount: 100",
        f"rule: {SQL}-physical, kind: perpetual, amount: 100",
    )
    pair = found(of, Product(rule=f"{SQL}-per-vm"), vcpu=vcpu)[f"{SQL}-per-vm", f"{SQL}-physical"]
    assert (pair.at, pair.variable) == (at, "1 ホストの vCPU の合計")


def test_users_from_which_the_processor_is_cheaper(tmp_path):
    """32 x86 cores are 16 Processor: 1,600,000 yen. Named users at 2,000 yen: 800 cost the same, 801 more."""
    of = book(
        tmp_path,
        f"rule: {ORACLE}.processor, kind: perpetual, amount: 100000",
        f"rule: {ORACLE}.named-user, kind: perpetual, amount: 2000",
    )
    pair = found(of, Product(rule=f"{ORACLE}.processor"))[f"{ORACLE}.named-user", f"{ORACLE}.processor"]
    assert (pair.at, pair.variable) == (801, "利用者の数")
    assert "（Processor）」［根拠 P］（" in pair.because
    assert "（Named User Plus）」［根拠 D］（" in pair.because


def test_a_missing_price_is_said_and_no_number(tmp_path):
    of = book(tmp_path, f"rule: {ORACLE}.processor, kind: perpetual, amount: 100000")
    (pair,) = found(of, Product(rule=f"{ORACLE}.processor")).values()
    assert pair.at is None
    assert pair.because.startswith("求められません。「Oracle Database Enterprise Edition（Named User Plus）」")


def test_the_shipped_examples_give_the_facts_ratio():
    """6,155 / 1,069 USD is 5.76 (facts, 1.4): from the eleventh guest on."""
    pair = found(pricing.load(), Product(rule=f"{WINDOWS}-standard"))[f"{WINDOWS}-standard", f"{WINDOWS}-datacenter"]
    assert pair.at == 11
    assert "価格は例" in pair.because
