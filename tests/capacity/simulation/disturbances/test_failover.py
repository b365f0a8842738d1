"""Restarts after host stops and the loss of a site: cases by hand, and rules on random fleets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.simulation.disturbances.failover import HostStop, SiteStop, failover
from estate.disturbance_records import Duration, HostFailure, SiteLoss
from tests.capacity.simulation.disturbances.fleets import fleet, host, vm

SOURCE = {"basis": "assumed", "source": "[A] test"}
FAILURE = HostFailure(
    per_host_year=1.0,
    detection_min=2.0,
    restart_min=5.0,
    parallel_restarts=2,
    repair=Duration(median_min=60.0, p95_min=60.0),
    **SOURCE,
)
LOSS = SiteLoss(
    per_site_year=0.0,
    decision_h=1.0,
    restart_min=10.0,
    parallel_restarts=1,
    transfer_share=0.5,
    return_days=30.0,
    **SOURCE,
)


def rows(found):
    return [(move.vm, move.at_s, move.until_s, move.to_host) for move in found.relocations]


def test_vms_restart_on_the_spare_host_two_at_a_time_by_priority_then_memory():
    small = fleet(
        [host("h0"), host("h1"), host("spare", spare=True)],
        [
            vm("late", "h0", 20.0, priority=9),
            vm("big", "h0", 30.0, priority=2),
            vm("first", "h0", 10.0, priority=1),
            vm("other", "h1", 10.0),
        ],
    )
    found = failover(small, [HostStop(0, 1000.0, 9000.0)], host_failure=FAILURE)
    assert rows(found) == [
        (2, 1000.0, 1000.0 + 120 + 300, 2),
        (1, 1000.0, 1000.0 + 120 + 300, 2),
        (0, 1000.0, 1000.0 + 120 + 600, 2),
    ]
    assert not any(move.keeps_work for move in found.relocations)
    assert found.stranded == ()


def test_without_spare_room_the_host_with_most_free_memory_takes_it():
    small = fleet(
        [host("h0"), host("h1"), host("h2"), host("spare", 5.0, spare=True)],
        [vm("a", "h0", 40.0), vm("b", "h1", 70.0), vm("c", "h2", 20.0)],
    )
    assert rows(failover(small, [HostStop(0, 0.0, 9000.0)], host_failure=FAILURE)) == [(0, 0.0, 420.0, 2)]


def test_what_finds_no_room_waits_for_its_own_host():
    small = fleet([host("h0"), host("h1", 30.0)], [vm("a", "h0", 60.0), vm("b", "h0", 20.0, priority=1)])
    found = failover(small, [HostStop(0, 0.0, 9000.0)], host_failure=FAILURE)
    assert rows(found) == [(1, 0.0, 420.0, 1), (0, 0.0, 9300.0, 0)]
    assert [(entry.vm, entry.at_s, entry.until_s) for entry in found.stranded] == [(0, 0.0, 9300.0)]


def test_a_pinned_vm_and_members_of_a_group_stay_where_they_must():
    small = fleet(
        [host("h0"), host("h1"), host("h2")],
        [
            vm("pinned", "h0", only=["h0"], priority=1),
            vm("one", "h0", groups=["g"], priority=2),
            vm("two", "h1", groups=["g"]),
            vm("heavy", "h2", 60.0),
        ],
    )
    assert rows(failover(small, [HostStop(0, 0.0, 9000.0)], host_failure=FAILURE)) == [
        (1, 0.0, 420.0, 2),
        (0, 0.0, 9300.0, 0),
    ]


def test_vcpu_limits_room_too():
    small = fleet([host("h0"), host("h1", vcpu=3.0)], [vm("a", "h0", vcpu=2.0), vm("b", "h1", vcpu=2.0)])
    assert [entry.vm for entry in failover(small, [HostStop(0, 0.0, 9000.0)], host_failure=FAILURE).stranded] == [0]


def test_a_second_failure_while_a_vm_restarts_prolongs_its_one_outage():
    small = fleet([host("h0"), host("h1"), host("h2", 50.0)], [vm("a", "h0", 40.0)])
    found = failover(small, [HostStop(0, 0.0, 50_000.0), HostStop(1, 300.0, 60_000.0)], host_failure=FAILURE)
    assert rows(found) == [(0, 0.0, 300.0 + 420.0, 2)]


def test_a_host_that_is_back_takes_vms_again():
    small = fleet([host("h0"), host("h1")], [vm("a", "h0")])
    found = failover(small, [HostStop(0, 0.0, 5000.0), HostStop(1, 6000.0, 9000.0)], host_failure=FAILURE)
    assert rows(found) == [(0, 0.0, 420.0, 1), (0, 6000.0, 6420.0, 0)]


def test_a_stop_of_a_host_that_is_down_is_passed_over():
    small = fleet([host("h0"), host("h1", 1.0)], [vm("a", "h0")])
    twice = failover(small, [HostStop(0, 0.0, 5000.0), HostStop(0, 100.0, 9000.0)], host_failure=FAILURE)
    assert rows(twice) == [(0, 0.0, 5300.0, 0)]


def test_a_lost_site_restarts_at_the_backup_site_by_priority_as_far_as_memory_goes():
    small = fleet(
        [host("h0"), host("b0", 50.0, site="b")],
        [
            vm("tax", "h0", 30.0, priority=2, service=("t", "tax"), data_mib=1200.0),
            vm("registry-ap", "h0", 10.0, priority=1, service=("t", "registry"), data_mib=600.0),
            vm("registry-db", "h0", 20.0, priority=1, service=("t", "registry"), role="db", data_mib=600.0),
            vm("papers", "h0", 20.0, priority=7, service=("t", "papers")),
            vm("copy", "b0", 5.0, service=("common", "copy")),
        ],
        backup=["b"],
    )
    found = failover(small, [SiteStop("a", 1000.0, 500_000.0)], site_loss=LOSS, line_mib_s=1.0)
    first_s = 1000.0 + 3600.0
    assert rows(found) == [
        (2, 1000.0, first_s + 300.0 + 600.0, 1),
        # Its data came while the other was started; the one starter is free only then.
        (1, 1000.0, first_s + 900.0 + 600.0, 1),
        (0, 1000.0, 500_600.0, 0),
        (3, 1000.0, 501_200.0, 0),
    ]
    assert [entry.vm for entry in found.stranded] == [0, 3]


def test_a_system_that_does_not_fit_whole_leaves_its_room_to_the_next():
    small = fleet(
        [host("h0"), host("b0", 35.0, site="b")],
        [
            vm("tax-ap", "h0", 20.0, priority=2, service=("t", "tax")),
            vm("tax-db", "h0", 20.0, priority=2, service=("t", "tax"), role="db"),
            vm("papers", "h0", 30.0, priority=7, service=("t", "papers")),
        ],
        backup=["b"],
    )
    found = failover(small, [SiteStop("a", 0.0, 500_000.0)], site_loss=LOSS)
    assert rows(found)[0] == (2, 0.0, 3600.0 + 600.0, 1)
    assert {entry.vm for entry in found.stranded} == {0, 1}


def test_one_vm_of_each_role_comes_before_further_replicas():
    small = fleet(
        [host("h0"), host("b0", 35.0, site="b")],
        [
            vm("tax-1", "h0", 10.0, priority=2, service=("t", "tax")),
            vm("tax-2", "h0", 10.0, priority=2, service=("t", "tax")),
            vm("papers", "h0", 20.0, priority=7, service=("t", "papers")),
        ],
        backup=["b"],
    )
    found = failover(small, [SiteStop("a", 0.0, 500_000.0)], site_loss=LOSS)
    assert [move.vm for move in found.relocations] == [0, 2, 1]
    assert [entry.vm for entry in found.stranded] == [1]


def test_a_stop_without_its_record_is_refused():
    small = fleet([host("h0")], [vm("a", "h0")])
    with pytest.raises(ValueError, match="a host stops"):
        failover(small, [HostStop(0, 0.0, 1.0)])
    with pytest.raises(ValueError, match="a site is lost"):
        failover(small, [SiteStop("a", 0.0, 1.0)])


@st.composite
def fleets(draw):
    hosts = [
        host(f"h{row}", draw(st.integers(30, 60)), site="ab"[row % 2], spare=row == 0)
        for row in range(draw(st.integers(2, 6)))
    ]
    room = {entry["id"]: entry["room"][0] for entry in hosts}
    vms = []
    for row in range(draw(st.integers(1, 8))):
        memory, on = float(draw(st.integers(1, 30))), draw(st.sampled_from(sorted(room)))
        if room[on] >= memory:
            room[on] -= memory
            vms.append(vm(f"v{row}", on, memory, draw(st.integers(1, 3)), service=("t", f"s{row % 3}")))
    stops = [
        HostStop(
            draw(st.integers(0, len(hosts) - 1)),
            at := float(draw(st.integers(0, 20_000))),
            at + draw(st.sampled_from([600.0, 5000.0, 30_000.0])),
        )
        for _ in range(draw(st.integers(0, 5)))
    ]
    lost = [SiteStop("a", 10_000.0, 90_000.0)] if draw(st.booleans()) else []
    return fleet(hosts, vms, backup=["b"]), [*stops, *lost]


@given(fleets())
@settings(max_examples=200, deadline=None)
def test_outages_never_overlap_nothing_runs_on_a_stopped_host_and_memory_suffices(drawn):
    small, stops = drawn
    found = failover(small, stops, host_failure=FAILURE, site_loss=LOSS, line_mib_s=1.0)
    down_until = {}
    for move in found.relocations:
        assert move.at_s >= down_until.get(move.vm, -1.0)
        assert move.until_s >= move.at_s
        down_until[move.vm] = move.until_s
    # Replayed without the planner's state: who is where at the end, and whether it fits.
    where = small.vm_host.copy()
    for move in found.relocations:
        where[move.vm] = move.to_host
    used = np.zeros(len(small.host_ids))
    np.add.at(used, where, small.needs[:, 0])
    assert (used <= small.room[:, 0] + 1e-6).all()
    for stopped, at_s, back_s in closed(small, stops):
        for up, on, from_s, until_s in up_times(small, found):
            assert on != stopped or until_s <= at_s or from_s >= back_s, (up, stopped)


def closed(small, stops):
    """(host, from, until): when each host is down; a stop of a host that is down does not count."""
    back_s = dict.fromkeys(range(len(small.host_ids)), -1.0)
    for stop in sorted(stops, key=lambda stop: (stop.at_s, stop.back_s)):
        if isinstance(stop, SiteStop):
            struck = [row for row, site in enumerate(small.host_site) if site == stop.site]
        else:
            struck = [stop.host] if back_s[stop.host] <= stop.at_s else []
        for row in struck:
            back_s[row] = max(back_s[row], stop.back_s)
            yield row, stop.at_s, stop.back_s


def up_times(small, found):
    """(vm, host, from, until): where each VM is up."""
    for row, first in enumerate(small.vm_host.tolist()):
        on, since_s = first, -1.0
        for move in found.relocations:
            if move.vm == row:
                yield row, on, since_s, move.at_s
                on, since_s = move.to_host, move.until_s
        yield row, on, since_s, 1e9
