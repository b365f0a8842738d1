"""Moves to the reserve and hosts to do without: nobody else moves, and the plan says what that costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

import planning
from layout import checkers
from layout.records import ReserveRecord
from tests.planning.test_keep import Centre, by_kind, refused


@pytest.fixture
def tight(tmp_path):
    """Three hosts, one of them the reserve, and more VMs than one host has room for."""
    centre = Centre(tmp_path)
    for entry in centre.document["hosts"]:
        entry["id"] = f"{entry['site']}{{01..03}}"
    return centre


def sites(plan):
    return {host.id: host.site for host in plan.layout.hosts}


def homes(plan):
    return {vm.id: vm.host for vm in plan.layout.vms}


def reserve(plan, site):
    return [host.id for host in plan.layout.hosts if host.site == site and host.spare]


def lines(plan):
    return planning.change_lines(plan.run)


def crowded(centre):
    """The first plan, with memory so that the VMs of its first site fill two hosts; and that site."""
    probe = centre.plan("probe")
    site = probe.layout.vms[0].site
    count = sum(vm.site == site for vm in probe.layout.vms)
    room = next(host.memory_mib for host in probe.layout.hosts if host.site == site) / 1024
    size = room / (count // 2 + count % 2) * 0.99
    centre.roles(memory_gib={"small": size, "large": size})
    return centre.plan(), site


def test_a_move_to_the_reserve_keeps_the_others(tight):
    first, site = crowded(tight)
    (spare,) = reserve(first, site)
    vm = next(vm for vm in first.layout.vms if vm.site == site)
    second = tight.plan("second", first, moves={vm.id: spare})
    assert homes(second) == {**homes(first), vm.id: spare}
    assert refused(second) == set()
    assert second.run.fits
    (lowered,) = second.run.lowered_reserve
    assert (lowered.site, lowered.wanted, lowered.kept) == (site, 1, 0)
    assert f"{spare} に移す指定（--move）" in lowered.reason
    assert (second.run.moved_vms, second.run.fewest_moves) == (1, "proven")
    assert "移す仮想サーバ：1 台（最少であることを証明済み）" in lines(second)
    assert any(line.startswith(lowered.reason) for line in lines(second))
    changed = next(change for change in by_kind(second, "host") if change.subject == spare and change.what == "spare")
    assert (changed.before, changed.after, changed.reason) == ("予備", "使用", "移動先に指定されたため（--move）")


def test_the_next_plan_makes_the_host_of_the_move_the_reserve_again(tight):
    first, site = crowded(tight)
    (spare,) = reserve(first, site)
    vm = next(vm for vm in first.layout.vms if vm.site == site)
    second = tight.plan("second", first, moves={vm.id: spare})
    third = tight.plan("third", second)
    assert homes(third) == homes(first)
    assert reserve(third, site) == [spare]
    assert third.run.lowered_reserve == ()
    assert refused(third) == set()


def test_a_host_to_do_without_uses_the_reserve_without_any_edit_of_the_estate(tight):
    first, site = crowded(tight)
    (spare,) = reserve(first, site)
    lost = next(vm.host for vm in first.layout.vms if vm.site == site)
    second = tight.plan("second", first, without=[lost])
    assert homes(second) == {name: spare if host == lost else host for name, host in homes(first).items()}
    assert refused(second) == set()
    assert second.run.fits, second.run.verdict
    (lowered,) = second.run.lowered_reserve
    assert (lowered.site, lowered.wanted, lowered.kept) == (site, 1, 0)
    assert f"{lost} を使わない指定（--without-host）" in lowered.reason
    assert second.run.fewest_moves == "proven"
    third = tight.plan("third", second)
    assert homes(third) == homes(second)
    assert reserve(third, site) == [lost]


def test_the_reserve_is_not_lowered_where_the_other_hosts_have_room(tmp_path):
    centre = Centre(tmp_path)
    first = centre.plan()
    lost = first.layout.vms[0].host
    second = centre.plan("second", first, without=[lost])
    assert second.run.lowered_reserve == ()
    assert all(reserve(second, site) for site in set(sites(second).values()))


def test_a_plan_without_an_earlier_one_has_nothing_to_say_about_moves(tmp_path):
    first = Centre(tmp_path).plan()
    assert (first.run.moved_vms, first.run.fewest_moves, first.run.lowered_reserve) == (0, "", ())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"kept": 1}, "合いません"),
        ({"kept": -1}, "合いません"),
        ({"wanted": 2}, "合いません"),
        ({"site": "elsewhere"}, "1 台が必要"),
    ],
)
def test_a_record_that_cannot_be_meant_excuses_nothing(tight, changed, words):
    first, site = crowded(tight)
    lost = next(vm.host for vm in first.layout.vms if vm.site == site)
    second = tight.plan("second", first, without=[lost])
    (record,) = second.run.lowered_reserve
    told = record.model_copy(update=changed)
    assert words in first_violation(replace(second, run=second.run.model_copy(update={"lowered_reserve": (told,)})))


def test_a_first_plan_cannot_have_lowered_its_reserve(tmp_path):
    first = Centre(tmp_path).plan()
    site = first.layout.vms[0].site
    hosts = tuple(host.model_copy(update={"spare": False}) for host in first.layout.hosts)
    run = first.run.model_copy(
        update={"lowered_reserve": (ReserveRecord(site=site, wanted=1, kept=0, reason="ほしいため"),)}
    )
    bare = replace(first, run=run, layout=first.layout.model_copy(update={"hosts": hosts}))
    assert "合いません" in first_violation(bare)


def first_violation(plan):
    verdict = next(verdict for verdict in checkers.check(plan) if verdict.checker == "reserve")
    assert not verdict.passed
    return verdict.violations[0]
