"""Online load after a disaster: by hand, and as a sum of step functions."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from capacity.simulation.columns import SimulationInput
from capacity.simulation.disturbances.emergency import emergency_load, with_more_online
from capacity.simulation.records import OnlineLoad, SimulatedHost, SimulatedVm
from estate.disturbance_records import Emergency
from tests.layout.builder import Builder

JST = timezone(timedelta(hours=9))
MONDAY = datetime(2027, 5, 31, tzinfo=JST)
RECORD = Emergency(
    systems=("s00",),
    profile="day",
    cores_per_1000_residents=0.5,
    by_day=(0.5, 0.0, 1.0),
    basis="assumed",
    source="[A] test",
)


@pytest.fixture(scope="module")
def contents():
    return Builder().contents()


def load_of(contents, **more):
    return emergency_load(RECORD, contents.estate, contents.layout, monday=MONDAY, **more)


def test_load_comes_day_by_day_to_the_vms_of_the_systems_concerned(contents):
    loads = load_of(contents, disaster=MONDAY + timedelta(hours=12), tenants=["t00"])
    residents = next(tenant.population for tenant in contents.estate.tenants if tenant.id == "t00")
    peak = 0.5 * residents / 1000
    names = [vm.id for vm in contents.layout.vms]
    serving = [vm.id for vm in contents.estate.vms if (vm.tenant, vm.system) == ("t00", "s00")]
    assert {names[load.vm] for load in loads} == set(serving)
    hour = 3600.0
    spans = sorted({(load.from_s, load.until_s, round(load.cores * len(serving) / peak, 9)) for load in loads})
    assert spans == [(12 * hour, 18 * hour, 0.5), (56 * hour, 66 * hour, 1.0)]


def test_all_tenants_are_struck_unless_some_are_named(contents):
    names = [vm.tenant for vm in contents.layout.vms]
    all_struck = {names[load.vm] for load in load_of(contents, disaster=MONDAY)}
    assert all_struck == {tenant.id for tenant in contents.estate.tenants}
    assert load_of(contents, disaster=MONDAY, tenants=[]) == ()


def online_at(system, vm, at_s):
    own = system.vms.online_class[vm]
    if own < 0:
        return 0.0
    steps = slice(system.online.ptr[own], system.online.ptr[own + 1])
    row = np.searchsorted(system.online.at_s[steps], at_s, side="right")
    levels = np.concatenate(([0.0], system.online.level[steps]))
    return float(levels[row] * system.vms.online_cores[vm])


def test_more_load_adds_to_what_is_there():
    ordinary = [OnlineLoad(0, 10.0, 50.0, 2.0), OnlineLoad(1, 0.0, 100.0, 1.0)]
    more = [OnlineLoad(0, 0.0, 20.0, 0.5), OnlineLoad(0, 15.0, 60.0, 0.25), OnlineLoad(2, 5.0, 6.0, 3.0)]
    vms = [SimulatedVm(f"v{row}", 0) for row in range(3)]
    system = with_more_online(SimulationInput.of([SimulatedHost("h", 8.0)], vms, [], ordinary), more)
    known = SimulationInput.of([SimulatedHost("h", 8.0)], vms, [], [*ordinary, *more])
    for vm in range(3):
        for at_s in (-1.0, 0.0, 5.5, 6.0, 12.0, 17.0, 20.0, 49.0, 50.0, 59.0, 60.0, 99.0, 100.0):
            assert online_at(system, vm, at_s) == pytest.approx(online_at(known, vm, at_s)), (vm, at_s)


def test_no_load_changes_nothing():
    system = SimulationInput.of([SimulatedHost("h", 8.0)], [SimulatedVm("v", 0)], [], [OnlineLoad(0, 1.0, 2.0, 1.0)])
    same = with_more_online(system, [])
    assert same.online.at_s.tolist() == system.online.at_s.tolist()
    assert same.vms.online_class.tolist() == system.vms.online_class.tolist()
