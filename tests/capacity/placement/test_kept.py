"""Placements that stay close to an earlier one: who moves, where to, and why."""

import numpy as np
import pytest

from capacity.placement import KeptPlacement, fewest_moves, place
from capacity.placement.load import VmLoad
from tests.capacity.placement.test_assignment import estate, host, vm


def placed(hosts, vms, kept, load=None, **policy):
    made = estate(hosts, vms, **policy)
    names = tuple(one.id for one in vms)
    table = VmLoad(names, 600.0, np.zeros((len(vms), 0)) if load is None else np.array(load))
    return place(made, table, kept=kept)


def where(found):
    return {
        name: found.host_names[row] if row >= 0 else None
        for name, row in zip(found.vm_names, found.host.tolist(), strict=True)
    }


def why(found):
    return {moved.vm: moved.reason for moved in found.relocated}


FOUR = [host(f"h{n}") for n in range(1, 5)]
HOME = {"a": "h3", "b": "h2", "c": "h3"}


def three(**more):
    return [vm("a", **more), vm("b"), vm("c")]


def kept(host=None, reserve=("h4",), moves=None, without=()):
    return KeptPlacement(host or HOME, frozenset(reserve), moves or {}, frozenset(without))


def test_everybody_stays_although_one_host_would_do():
    found = placed(FOUR, three(), kept())
    assert where(found) == HOME
    assert found.reserve == ("h4",)
    assert found.relocated == ()
    assert found.lower_bound == {"main": 2}  # of the free problem: one host and the reserve
    assert found.used == {"main": 3}


def test_another_reserve_than_the_largest_stays_the_reserve():
    found = placed(FOUR, three(), kept(reserve=("h1",)))
    assert found.reserve == ("h1",)
    assert where(found) == HOME


def test_a_reserve_that_is_gone_is_replaced_by_an_empty_host():
    found = placed(FOUR, three(), kept(reserve=("h9",)))
    assert found.reserve in (("h1",), ("h4",))
    assert where(found) == HOME


def test_a_removed_host_frees_its_vms_only():
    found = placed([FOUR[0], FOUR[1], FOUR[3]], three(), kept())
    assert where(found)["b"] == "h2"
    assert {where(found)["a"], where(found)["c"]} == {"h2"}
    assert why(found) == dict.fromkeys(("a", "c"), "ホスト h3 が構成ファイルにないため")


def test_a_host_to_do_without_carries_nothing_and_is_no_reserve():
    found = placed(FOUR, three(), kept(without=("h3", "h4")))
    assert "h3" not in where(found).values()
    assert found.reserve == ("h1",)
    assert why(found)["a"] == "ホスト h3 を使わない指定のため（--without-host）"


def test_a_wished_move_is_made_and_nobody_else_moves():
    found = placed(FOUR, three(), kept(moves={"a": "h1"}))
    assert where(found) == {**HOME, "a": "h1"}
    assert why(found) == {"a": "移動先を指定されたため（--move）"}


def test_a_move_to_the_reserve_makes_another_host_the_reserve():
    found = placed(FOUR, three(), kept(moves={"a": "h4"}))
    assert where(found) == {**HOME, "a": "h4"}
    assert found.reserve == ("h1",)


def test_a_move_onto_a_full_host_makes_room_there():
    vms = [vm("a", memory=300), vm("b", memory=300), vm("c", memory=200)]
    found = placed(FOUR, vms, kept({"a": "h3", "b": "h2", "c": "h2"}, moves={"a": "h2"}))
    assert where(found)["a"] == "h2"
    assert where(found)["c"] == "h2"
    assert list(why(found)) == ["a", "b"]
    assert why(found)["b"] == "ほかの仮想サーバを置く空きを作るため"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"memory": 510.0}, "ホスト h3 のメモリが 6 GiB足りなくなるため"),
        ({"disk": 7650.0}, "ホスト h3 のディスクが 50 GiB足りなくなるため"),
        ({"vcpu": 127}, "ホスト h3 のvCPUが 1 個足りなくなるため"),
    ],
)
def test_growth_moves_one_vm_and_says_what_is_short(change, reason):
    found = placed(FOUR, three(**change), kept())
    assert list(why(found).values()) == [reason]
    assert where(found)["b"] == "h2"
    assert where(found)["a"] != where(found)["c"]


def test_a_vm_that_outgrew_its_host_moves_to_a_larger_one():
    hosts = [host("h1", memory=64.0), host("h2"), host("h3")]
    found = placed(hosts, [vm("a", memory=100.0)], kept({"a": "h1"}, reserve=("h3",)))
    assert where(found) == {"a": "h2"}
    assert why(found) == {"a": "大きくなり、ホスト h1 に収まらないため（予備が引き継げる量まで）"}


def test_vms_that_must_part_now_part():
    found = placed(FOUR, [vm("a", apart=("pair",)), vm("b"), vm("c", apart=("pair",))], kept())
    assert len(found.relocated) == 1
    assert "同居できない" in found.relocated[0].reason


def test_segments_that_must_part_now_part():
    vms = [vm("a", segment="mynumber"), vm("b", segment="mynumber"), vm("c")]
    found = placed(FOUR, vms, kept(), separate_segments=True)
    assert len(found.relocated) == 1
    assert found.relocated[0].reason == "区分の違う仮想サーバがホスト h3 に同居しないようにするため"


def test_load_that_overloads_a_host_moves_one_vm():
    found = placed(FOUR, three(), kept(), load=[[20.0], [1.0], [20.0]])
    assert len(found.relocated) == 1
    assert found.relocated[0].reason == "ホスト h3 の CPU が 10 分枠で 8.00 コア足りなくなるため"


def test_new_vms_take_the_room_that_is_left():
    found = placed(FOUR, [*three(), vm("new", memory=500.0)], kept())
    assert where(found) == {**HOME, "new": "h2"}
    assert found.relocated == ()


def test_a_kept_vm_moves_where_a_new_one_has_no_other_place():
    found = placed(FOUR, [*three(), *(vm(f"n{i}", memory=510.0) for i in range(2))], kept())
    assert found.misfits == ()
    assert why(found) == {"b": "ほかの仮想サーバを置く空きを作るため"}


def test_what_has_no_place_is_a_misfit_and_as_few_as_possible_move():
    found = placed(FOUR, [*three(), *(vm(f"n{i}", memory=510.0) for i in range(3))], kept())
    assert [misfit.kind for misfit in found.misfits] == ["memory"]
    assert where(found)["a"] == where(found)["c"] == "h3"


def test_the_largest_host_becomes_the_reserve_where_the_kept_one_is_too_small():
    hosts = [host("h1", memory=64.0), host("h2", memory=256.0), host("h3", memory=256.0)]
    found = placed(hosts, [vm("a", memory=100.0)], kept({"a": "h2"}, reserve=("h1",)))
    assert found.misfits == ()
    assert found.reserve == ("h3",)
    assert where(found) == {"a": "h2"}


def test_a_vm_of_another_site_now_moves_there():
    hosts = [*FOUR, host("x1", site="other"), host("x2", site="other")]
    found = placed(hosts, [vm("a", site="other"), vm("b"), vm("c")], kept())
    assert where(found)["a"] in ("x1", "x2")
    assert why(found) == {"a": "仮想サーバの拠点が other に変わったため"}


def test_a_site_without_usable_hosts_says_so():
    found = placed(FOUR, three(), kept(without=("h1", "h2", "h3", "h4")))
    assert [misfit.kind for misfit in found.misfits] == ["host"]
    assert set(where(found).values()) == {None}


SPREAD = {"a": "h1", "b": "h2", "c": "h3"}


def test_a_move_to_the_only_reserve_moves_nobody_else_and_says_that_the_reserve_is_less():
    found = placed(FOUR, three(), kept(SPREAD, moves={"a": "h4"}, reserve=("h4",)), spare_hosts=2)
    assert where(found) == {**SPREAD, "a": "h4"}
    assert why(found) == {"a": "移動先を指定されたため（--move）"}
    (lowered,) = found.lowered
    assert (lowered.wanted, lowered.kept, lowered.moved_to, lowered.without) == (2, 1, ("h4",), ())
    assert found.reserve == ("h1",)  # which the move has emptied
    assert found.fewest == "proven"


def test_a_move_to_the_reserve_that_leaves_no_empty_host_gives_it_up():
    vms = [*three(), vm("d")]
    found = placed(FOUR, vms, kept({**SPREAD, "d": "h1"}, moves={"a": "h4"}))
    assert where(found) == {**SPREAD, "a": "h4", "d": "h1"}
    assert [(each.wanted, each.kept) for each in found.lowered] == [(1, 0)]
    assert found.reserve == ()


def test_a_host_to_do_without_is_made_up_for_by_the_reserve_where_nothing_else_has_room():
    vms = [vm("a", memory=400), vm("b", memory=400), vm("c", memory=400)]
    found = placed(FOUR, vms, kept(SPREAD, without=("h1",)))
    assert where(found) == {**SPREAD, "a": "h4"}
    (lowered,) = found.lowered
    assert (lowered.site, lowered.wanted, lowered.kept, lowered.without) == ("main", 1, 0, ("h1",))
    assert found.misfits == ()
    assert found.fewest == "proven"


def test_the_reserve_stays_where_the_other_hosts_have_room():
    found = placed(FOUR, three(), kept(without=("h2",)))
    assert found.lowered == ()
    assert found.reserve == ("h4",)


def test_two_hosts_to_do_without_lower_the_reserve_by_no_more_than_is_needed():
    hosts = [host(f"h{n}") for n in range(1, 7)]
    vms = [vm(name, memory=400) for name in "abc"]
    found = placed(hosts, vms, kept(SPREAD, reserve=("h5", "h6"), without=("h1", "h4")), spare_hosts=2)
    (lowered,) = found.lowered
    assert (lowered.wanted, lowered.kept, lowered.without) == (2, 1, ("h1", "h4"))
    assert found.misfits == ()


def test_without_a_wish_the_reserve_is_never_lowered():
    vms = [vm("a", memory=400), vm("b", memory=400), vm("c", memory=400)]
    found = placed(FOUR[:3], vms, kept({"a": "h1", "b": "h2", "c": "h3"}, reserve=()))
    assert found.lowered == ()
    assert found.misfits


def test_the_next_reserve_is_the_host_that_is_emptied_with_the_fewest_moves():
    vms = [*three(), vm("d"), vm("e")]
    found = placed(FOUR, vms, kept({"a": "h1", "b": "h2", "c": "h2", "d": "h3", "e": "h4"} | {"c": "h1"}, reserve=()))
    assert len(found.relocated) == 1


def test_moves_for_room_are_proven_only_for_the_reserve_that_was_chosen():
    found = placed(FOUR, [*three(), *(vm(f"n{i}", memory=510.0) for i in range(2))], kept())
    assert len(found.relocated) == 1
    assert found.fewest == "for this reserve"
    free = placed(FOUR[:3], [*three(), *(vm(f"n{i}", memory=510.0) for i in range(1))], kept(reserve=()), spare_hosts=0)
    assert free.fewest == "proven"


def test_nobody_claims_a_proof_that_the_search_did_not_give(monkeypatch):
    monkeypatch.setattr(fewest_moves, "_ROUNDS", 0)
    found = placed(FOUR, three(), kept(), load=[[20.0], [1.0], [20.0]])
    assert found.relocated
    assert found.fewest == "unproven"
