"""Bandwidth: a host's storage is shared between VMs by weight, a line equally between all transfers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .work import Work

if TYPE_CHECKING:
    from .resource import Wake


class Bandwidth:
    """MiB/s and the work it serves, by row of its run."""

    def __init__(self, mib_s: float) -> None:
        self.mib_s = mib_s
        self.wake: Wake | None = None
        self.works: dict[int, Work] = {}

    def rates(self) -> Iterable[float]:
        """MiB/s of each work, in the order of `works`."""
        raise NotImplementedError

    def share(self, now: float) -> float:
        """Set the rates anew and answer when the next work is through."""
        next_end_s = math.inf
        for work, rate in zip(self.works.values(), self.rates(), strict=True):
            if rate != work.rate:
                work.serve_at(rate, now)
            next_end_s = min(next_end_s, work.through_s)
        return next_end_s

    def through(self, until_s: float) -> Iterable[Work]:
        """Work that is served by then."""
        return [work for work in self.works.values() if work.through_s <= until_s]


class Storage(Bandwidth):
    """In proportion to weight between VMs, then equally between the runs of a VM."""

    def rates(self) -> Iterable[float]:
        """MiB/s of each work, in the order of `works`."""
        vms = [work.run.vm for work in self.works.values()]
        takers = Counter(vm.row for vm in vms)
        total = sum({vm.row: vm.weight for vm in vms}.values())
        return [self.mib_s * vm.weight / total / takers[vm.row] for vm in vms]


class Line(Bandwidth):
    """Equally between all transfers."""

    def rates(self) -> Iterable[float]:
        """MiB/s of each work, in the order of `works`."""
        return [self.mib_s / len(self.works) for _ in self.works]
