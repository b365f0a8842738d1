"""Slot averages are exact, and what is left out decides nothing."""

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from capacity.placement.load import VmLoad, compress, vm_load
from capacity.records import OnlineTable, RunTable, Schedule

EPOCH = datetime(2027, 1, 1, tzinfo=timezone(timedelta(hours=9)))


def runs_of(vms, rows, end_s):
    """Runs as (vm, fixed_s, cpu_s, max_cores)."""
    count = len(rows)
    vm, fixed_s, cpu_s, max_cores = (
        (np.array(column) for column in zip(*rows, strict=True)) if rows else [np.zeros(0)] * 4
    )
    whole, real, flags = np.zeros(count, dtype=np.int64), np.zeros(count), np.zeros(count, dtype=np.bool_)
    return RunTable(
        epoch=EPOCH,
        end_s=end_s,
        tenant_names=("t",),
        system_names=("t/s",),
        job_names=("t/s/j",),
        vm_names=tuple(f"v{k}" for k in range(vms)),
        site_names=("main",),
        run_ids=tuple(f"r{k}" for k in range(count)),
        tenant=whole,
        system=whole,
        job=whole,
        vm=vm.astype(np.int64),
        site=whole,
        release_s=real,
        deadline_s=real,
        window_ptr=np.zeros(count + 1, dtype=np.int64),
        window_start_s=np.zeros(0),
        window_end_s=np.zeros(0),
        after_ptr=np.zeros(count + 1, dtype=np.int64),
        after_run=np.zeros(0, dtype=np.int64),
        after_lag_s=np.zeros(0),
        after_lag_business_h=np.zeros(0),
        fixed_s=fixed_s.astype(float),
        cpu_s=cpu_s.astype(float),
        io_mib=real,
        max_cores=max_cores.astype(float),
        exclusive=flags,
        rerun_room=flags,
        work_cv=real,
        vm_slots=np.ones(vms, dtype=np.int64),
        vm_vcpu=np.full(vms, 4, dtype=np.int64),
    )


def online_of(vms, rows):
    vm, from_s, until_s, cores = (np.array(column) for column in zip(*rows, strict=True)) if rows else [np.zeros(0)] * 4
    names = tuple(f"v{k}" for k in range(vms))
    return OnlineTable(names, vm.astype(np.int64), from_s.astype(float), until_s.astype(float), cores.astype(float))


def columns(load):
    return {tuple(column) for column in np.round(load.load.T, 8).tolist()}


def test_slot_averages_are_exact():
    runs = runs_of(2, [(0, 300.0, 1800.0, 2.0), (1, 0.0, 60.0, 4.0)], 3600.0)
    schedule = Schedule(np.array([0.0, 1195.0]), np.zeros(2, dtype=np.int64), ())
    online = online_of(2, [(1, 600.0, 1800.0, 0.5)])
    # v0 works 300-1200 on 2 cores; v1's run 1195-1210 on 4, online 600-1800 on 0.5. The first slot is below the second.
    load = vm_load(runs, schedule, online)
    assert columns(load) == {(2.0, 0.53333333), (0.0, 0.56666667)}
    assert load.peak().tolist() == pytest.approx([2.0, 0.5 + 40 / 600], abs=1e-8)


def brute_force(runs, schedule, online, slots):
    """Averages per second of each slot."""
    seconds = np.zeros((len(runs.vm_names), slots * 600))
    for row in range(len(runs)):
        begin = schedule.start_s[row] + runs.fixed_s[row]
        seconds[runs.vm[row], int(begin) : int(begin + runs.cpu_s[row] / runs.max_cores[row])] += runs.max_cores[row]
    for row in range(len(online.vm)):
        seconds[online.vm[row], int(online.from_s[row]) : int(online.until_s[row])] += online.cores[row]
    return seconds.reshape(len(runs.vm_names), slots, 600).mean(axis=2)


def test_every_host_has_the_same_peak_as_with_all_slots():
    rng = np.random.default_rng(2)
    vms, count, slots = 6, 80, 4 * 144
    cores = rng.choice([1.0, 2.0, 0.5], count)
    rows = [(rng.integers(vms), rng.integers(0, 400), rng.integers(1, 5000) * c, c) for c in cores]
    runs = runs_of(vms, rows, slots * 600.0)
    schedule = Schedule(np.floor(rng.uniform(0, slots * 600 - 6000, count)), np.zeros(count, dtype=np.int64), ())
    begin = rng.integers(0, slots * 600 - 50_000, 12)
    online = online_of(vms, [(rng.integers(vms), b, b + rng.integers(1, 50_000), rng.uniform(0.1, 2)) for b in begin])
    everything = brute_force(runs, schedule, online, slots)
    load = vm_load(runs, schedule, online)
    compressed = compress(load)
    assert compressed.load.shape[1] < load.load.shape[1] < slots
    for chosen in range(1, 2**vms):
        rows = [k for k in range(vms) if chosen >> k & 1]
        peak = everything[rows].sum(axis=0).max()
        assert load.load[rows].sum(axis=0).max() == pytest.approx(peak, abs=1e-7)
        assert compressed.load[rows].sum(axis=0).max() == pytest.approx(peak, abs=1e-7)


def test_repeated_days_are_kept_once():
    days = [(0, 86400.0 * day + 3600 * 9, 86400.0 * day + 3600 * 17, 0.3) for day in range(30)]
    load = vm_load(
        runs_of(1, [], 30 * 86400.0), Schedule(np.zeros(0), np.zeros(0, dtype=np.int64), ()), online_of(1, days)
    )
    assert load.load.tolist() == [[pytest.approx(0.3, abs=1e-8)]]


def test_tables_about_other_vms_are_refused():
    with pytest.raises(ValueError, match="different VMs"):
        vm_load(runs_of(1, [], 600.0), Schedule(np.zeros(0), np.zeros(0, dtype=np.int64), ()), online_of(2, []))


def test_compress_keeps_what_nothing_dominates():
    load = VmLoad(("a", "b"), 600.0, np.array([[1.0, 2.0, 2.0, 0.0, 1.0], [1.0, 0.5, 0.5, 3.0, 2.0]]))
    assert columns(compress(load)) == {(2.0, 0.5), (0.0, 3.0), (1.0, 2.0)}
