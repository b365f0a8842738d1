"""What is still to be settled in one instant, and what it has touched."""

from __future__ import annotations

from dataclasses import dataclass, field

from .changes import Change
from .clock import INSTANT_S, Occurrence
from .printing import Pool, PrintOver
from .resource import Resource, Wake
from .run import IdleOver, Release, Run
from .vm import Vm
from .windows import Calendar, WindowOpens
from .work import Work


@dataclass
class Instant:
    """Dicts stand for sets, because they keep their order."""

    now: float
    through: list[Work] = field(default_factory=list)
    ends: list[Run] = field(default_factory=list)
    printed: list[Run] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    ready: list[Run] = field(default_factory=list)
    opening: list[Calendar] = field(default_factory=list)
    pools: dict[Pool, None] = field(default_factory=dict)
    vms: dict[Vm, None] = field(default_factory=dict)
    """Those whose slots or queue have changed."""
    resources: dict[Resource, None] = field(default_factory=dict)

    @property
    def has_more(self) -> bool:
        """Whether another round is needed."""
        return bool(self.through or self.ends or self.printed or self.changes or self.ready or self.opening)

    def sort_in(self, occurrence: Occurrence) -> None:
        """Put an occurrence where it belongs."""
        if isinstance(occurrence, Wake):
            self.resources[occurrence.resource] = None
            self.through.extend(occurrence.resource.through(self.now + INSTANT_S))
        elif isinstance(occurrence, Release):
            self.ready.append(occurrence.run)
        elif isinstance(occurrence, IdleOver):
            occurrence.run.idle = None
            self.ends.append(occurrence.run)
        elif isinstance(occurrence, PrintOver):
            self.printed.append(occurrence.run)
        elif isinstance(occurrence, WindowOpens):
            self.opening.append(occurrence.calendar)
        elif isinstance(occurrence, Change):
            self.changes.append(occurrence)
        else:
            raise TypeError(f"unknown occurrence {occurrence!r}")

    def touch_cores(self, vm: Vm) -> None:
        """The VM's vCPU, online load or work has changed: its host has to share its cores anew."""
        vm.host.touch(vm)
        self.resources[vm.host] = None
