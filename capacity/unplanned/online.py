"""Daytime load by class: VMs of one profile and one time of service share a step function over the horizon."""

from __future__ import annotations

from datetime import date

import numpy as np

from capacity.calendar import Calendar
from capacity.online import shape
from capacity.records import Floats, Ints
from capacity.simulation.columns import OnlineClasses
from estate.catalogue_records import OnlineProfile
from estate.resolved import ResolvedVm

_DIGITS = 9
"""Levels are rounded, so that what opens and closes again leaves nothing behind."""


class OnlineBook:
    """The distinct step functions of an estate's VMs, numbered as they are first asked for."""

    def __init__(self, calendar: Calendar, profiles: dict[str, OnlineProfile]) -> None:
        self._calendar = calendar
        self._profiles = profiles
        self._number: dict[tuple[str, date | None, date | None], int] = {}
        self._steps: list[tuple[Floats, Floats]] = []

    def class_of(self, vm: ResolvedVm) -> int:
        """The class of a VM's online load; -1 without any. Raises KeyError for an unknown profile."""
        if vm.online_profile is None or vm.online_cores <= 0:
            return -1
        key = (vm.online_profile, vm.from_, vm.until)
        if key not in self._number:
            self._number[key] = len(self._steps)
            self._steps.append(self._levels(*key))
        return self._number[key]

    def classes(self) -> OnlineClasses:
        """All classes so far."""
        counts = [len(at_s) for at_s, _ in self._steps]
        ptr: Ints = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        return OnlineClasses(
            ptr=ptr,
            at_s=np.concatenate([at_s for at_s, _ in self._steps] or [np.zeros(0)]),
            level=np.concatenate([level for _, level in self._steps] or [np.zeros(0)]),
        )

    def _levels(self, profile: str, from_: date | None, until: date | None) -> tuple[Floats, Floats]:
        calendar = self._calendar
        opens, closes, share = shape(self._profiles[profile], calendar)
        begins_s = 0.0 if from_ is None else max(0.0, calendar.seconds(from_))
        ends_s = calendar.end_s if until is None else min(calendar.end_s, calendar.seconds(until))
        opens, closes = np.maximum(opens, begins_s), np.minimum(closes, ends_s)
        keep = closes > opens
        at_s, place = np.unique(np.concatenate((opens[keep], closes[keep])), return_inverse=True)
        level = np.cumsum(np.bincount(place, np.concatenate((share[keep], -share[keep])), minlength=len(at_s)))
        level = np.round(level, _DIGITS)
        changes = np.diff(level, prepend=0.0) != 0
        return at_s[changes], level[changes]
