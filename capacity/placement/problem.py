"""The packing problem of one site: what VMs need, what hosts have, and who keeps apart from whom."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from capacity.records import Bools, Floats, Ints

RESOURCES = ("memory", "disk", "vcpu")
SLACK = 1e-9
"""Relative rounding that sums of sizes may show."""
CORES_SLACK = 1e-6
"""Rounding, in cores, that sums of loads may show."""


@dataclass(frozen=True)
class PackingProblem:
    """Items (VMs) for bins (hosts). `need` and `room` have one column per resource, in any unit they share."""

    item_names: tuple[str, ...]
    bin_names: tuple[str, ...]
    need: Floats
    """[item, resource]"""
    room: Floats
    """[bin, resource]"""
    load: Floats
    """[item, time block], cores: the sum over a bin's items never exceeds `cores` in any block."""
    cores: Floats
    """[bin]"""
    apart: tuple[tuple[int, ...], ...] = ()
    """Groups of items of which no two share a bin."""
    kind: Ints | None = None
    """[item]: items of different kinds never share a bin; None where all may."""

    @property
    def limit(self) -> Floats:
        """Room with the rounding that is allowed."""
        return self.room * (1 + SLACK)

    def membership(self) -> Bools:
        """[item, group]: who is in which group of `apart`."""
        member: Bools = np.zeros((len(self.item_names), len(self.apart)), dtype=np.bool_)
        for group, items in enumerate(self.apart):
            member[list(items), group] = True
        return member

    def fits_alone(self) -> Bools:
        """[item, bin]: whether the item fits the empty bin."""
        sizes = (self.need[:, None, :] <= self.limit[None, :, :]).all(axis=2)
        peaks = self.load.max(axis=1, initial=0.0)
        return np.asarray(sizes & (peaks[:, None] <= self.cores[None, :] + CORES_SLACK), dtype=np.bool_)

    def only(self, items: Ints) -> PackingProblem:
        """The same bins with these items only (in ascending order)."""
        if len(items) == len(self.item_names):
            return self
        position = {int(item): new for new, item in enumerate(items)}
        groups = (tuple(position[item] for item in group if item in position) for group in self.apart)
        return replace(
            self,
            item_names=tuple(self.item_names[item] for item in items),
            need=self.need[items],
            load=self.load[items],
            apart=tuple(group for group in groups if len(group) > 1),
            kind=None if self.kind is None else self.kind[items],
        )

    def binding_blocks(self) -> PackingProblem:
        """The same problem without blocks in which all items together fit the smallest bin: they decide nothing."""
        smallest = self.cores.min(initial=np.inf)
        return replace(self, load=np.ascontiguousarray(self.load[:, self.load.sum(axis=0) > smallest]))


def violations(problem: PackingProblem, bin_of: Ints) -> list[str]:
    """What is wrong with an assignment (item -> bin, -1 for none); empty where nothing is."""
    found = []
    for index, name in enumerate(problem.bin_names):
        items = np.flatnonzero(bin_of == index)
        if (problem.need[items].sum(axis=0) > problem.limit[index]).any():
            found.append(f"{name}: sizes exceed the room")
        if problem.load[items].sum(axis=0).max(initial=0.0) > problem.cores[index] + CORES_SLACK:
            found.append(f"{name}: load exceeds the cores")
        if problem.kind is not None and len(set(problem.kind[items].tolist())) > 1:
            found.append(f"{name}: kinds are mixed")
        if any(sum(bin_of[item] == index for item in group) > 1 for group in problem.apart):
            found.append(f"{name}: items that keep apart share it")
    return found
