"""Does the daytime load follow from the estate's profiles, VM by VM?"""

from __future__ import annotations

import datetime as dt

import numpy as np

from estate.resolved import ResolvedVm

from . import calendar, sweep
from .findings import Findings
from .view import DAY, JST, MINUTE, Floats, Ints, View, microseconds

_TOLERANCE = 1e-6


def check(view: View) -> Findings:
    """Violations: moments when a VM's online load is not its peak load times its profile's share."""
    found = Findings()
    _, begin, end, cores = view.online
    vm = view.online_estate_vm
    names = view.folder.online.column("vm")
    found.add_where(
        vm < 0, lambda i: f"online.parquet {i + 1} 行目: VM {names[i].as_py()} が対象データ（estate.json）にありません"
    )
    found.add_where(
        (begin >= end) | (cores < 0),
        lambda i: f"online.parquet {i + 1} 行目: 終わりが始め以前か、負の負荷です（{names[i].as_py()}）",
    )
    known = vm >= 0
    want_vm, want_begin, want_end, want_cores = _expected(view)
    difference = sweep.levels(
        np.concatenate([vm[known], want_vm]),
        np.concatenate([begin[known], want_begin]),
        np.concatenate([end[known], want_end]),
        np.concatenate([cores[known], -want_cores]),
    )
    vms = view.folder.estate.vms
    # Load outside the horizon is nobody's business.
    inside = (difference.time >= 0) & (difference.time < view.horizon_us)
    found.add_where(
        inside & (np.abs(difference.level) > _TOLERANCE),
        lambda i: (
            f"VM {vms[difference.group[i]].id}: {view.moment(difference.time[i])} の昼間の負荷が"
            f"対象データの負荷の形と {difference.level[i]:+.3f} コア違います"
        ),
    )
    return found


def _expected(view: View) -> tuple[Ints, Ints, Ints, Floats]:
    """VM, from, until, cores by the estate: peak x share on the spans of business days and of closed days."""
    estate = view.folder.estate
    zero = estate.start.astimezone(JST)
    first = zero.date()
    days = range(-1, -(-view.horizon_us // DAY) + 1)
    midnight = (zero.hour * 60 + zero.minute) * MINUTE + zero.second * 1_000_000
    shapes: dict[str, tuple[Ints, Floats]] = {}
    for name, profile in estate.online_profiles.items():
        rows = [
            (day * DAY - midnight + start * MINUTE, day * DAY - midnight + end * MINUTE, share)
            for day in days
            for span, share in _shares(profile.business_day, profile.closed_day, first + dt.timedelta(days=day))
            for start, end in [calendar.minutes_of(span)]
        ]
        spans = np.array([row[:2] for row in rows], dtype=np.int64).reshape(-1, 2)
        shapes[name] = spans, np.array([row[2] for row in rows], dtype=np.float64)
    none = np.zeros(0, dtype=np.int64)
    parts: list[tuple[Ints, Ints, Ints, Floats]] = [(none, none, none, np.zeros(0))]
    for number, vm in enumerate(estate.vms):
        if vm.online_profile in shapes and vm.online_cores > 0:
            born = -DAY if vm.from_ is None else (vm.from_ - first).days * DAY - midnight
            gone = view.horizon_us + DAY if vm.until is None else (vm.until - first).days * DAY - midnight
            spans, share = shapes[vm.online_profile]
            start, end = np.maximum(spans[:, 0], born), np.minimum(spans[:, 1], gone)
            there = start < end
            index = np.full(int(there.sum()), number, dtype=np.int64)
            cores = np.minimum(share[there] * vm.online_cores, _least_vcpu(vm, zero, start[there], end[there]))
            parts.append((index, start[there], end[there], cores))
    group, begin, until, cores = (np.concatenate(column) for column in zip(*parts, strict=True))
    return group.astype(np.int64), begin.astype(np.int64), until.astype(np.int64), cores.astype(np.float64)


def _least_vcpu(vm: ResolvedVm, zero: dt.datetime, start: Ints, end: Ints) -> Floats:
    """The least vCPU that the VM has during each interval: load never exceeds it."""
    changes = [(microseconds(c.from_, zero), microseconds(c.until, zero), c.vcpu) for c in vm.vcpu_changes]
    least = np.full(len(start), np.inf)
    for moment in (None, *(time for begin, until, _ in changes for time in (begin, until))):
        at = start if moment is None else np.full(len(start), moment)
        vcpu = np.full(len(start), float(vm.vcpu))
        for begin, until, value in changes:
            vcpu[(begin <= at) & (at < until)] = value
        inside = (at >= start) & (at < end)
        least[inside] = np.minimum(least[inside], vcpu[inside])
    return least


def _shares(business: dict[str, float], closed: dict[str, float], day: dt.date) -> list[tuple[str, float]]:
    return list((closed if calendar.is_closed(day) else business).items())
