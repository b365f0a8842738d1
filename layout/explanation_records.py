"""Why runs of a simulated week were late: part of the results of `kumiai simulate`."""

from __future__ import annotations

from typing import Literal

from .records import LayoutRecord

CauseName = Literal[
    "late_start",
    "predecessor",
    "window",
    "slot",
    "host_failure",
    "own_failure",
    "work",
    "cpu",
    "storage",
    "line",
    "printing",
]


class LateCause(LayoutRecord):
    """One cause of a delay, in seconds; negative where it made up time (less work, more vCPU)."""

    cause: CauseName
    seconds: float


class LateContender(LayoutRecord):
    """Who had what a late run waited for: seconds of a slot or printer, or core-seconds."""

    what: Literal["slot", "cpu", "printing"]
    run: str | None
    """Id of the run; null: the online load of `vm`."""
    vm: str
    label: str
    amount: float
    """Core-seconds for `cpu`, else seconds."""


class LateRun(LayoutRecord):
    """One run that ended later than planned in one replication, and why. The causes add up to `delay_s`."""

    run: str
    label: str
    delay_s: float | None
    """null: it never ends; then there are no causes, and the sentence says what it waits for."""
    causes: tuple[LateCause, ...]
    """The largest first; causes of less than a millisecond are left out."""
    predecessor: str | None
    """Id of the run that was waited for longest."""
    contenders: tuple[LateContender, ...]
    sentence: str
    """The same in Japanese."""
