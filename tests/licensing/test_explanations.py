"""What a count says of itself: the reader must be able to follow every number."""

from __future__ import annotations

import licensing
from layout.records import Product
from tests.licensing.small_layouts import host, layout, vm

BOUND = [Product(rule="oracle-database-enterprise.processor", options={"partitioning": "olvm-pinned"})]


def counted(plan):
    [product] = licensing.count(plan, fiscal_year=2027, entitlements=None).products
    return product


def test_a_right_that_is_lost_is_told():
    hosts = [host("kvm01"), host("kvm02")]
    told = "は固定されていないか移動の予定があるため、partitioning: soft として数えた"
    lost = counted(layout(hosts, [vm("a", "kvm01", BOUND), vm("b", "kvm01", BOUND)]))
    assert f"仮想サーバ a ほか 1 台 {told}" in lost.notes
    kept = counted(layout(hosts, [vm("a", "kvm01", BOUND, pinned=True)]))
    assert not any(told in note for note in kept.notes)


def test_a_licence_for_so_many_units_is_told_as_a_division():
    [product] = [Product(rule="suse.memory")]
    told = counted(layout([host("kvm01")], [vm("a", "kvm01", [product], memory_mib=4194304)]))
    assert told.because == "合計 2 サブスクリプション"
    assert told.details[0].because == "a: メモリー 4194304 MiB ÷ 3145728 = 2（端数切上げ）"


def test_a_model_that_the_vendor_does_not_know_is_told():
    plan = layout([host("kvm01", model="mystery")], [vm("a", "kvm01", [Product(rule="ibm.pvu")])])
    assert "機種 mystery は係数表に無い" in counted(plan).details[0].because
