"""Independent checkers of plan folders. They read only the folder and share no code with planners.

Each module answers one question and gives `Findings`. `check` runs them all.
"""

from __future__ import annotations

from layout.folder import PlanFolder
from layout.records import CheckVerdict

from . import (
    bounds,
    capacity,
    completeness,
    dates,
    deadlines,
    exclusivity,
    hosts,
    network,
    online,
    peak,
    precedence,
    record,
    rerun,
    reserve,
    separation,
    slots,
    windows,
)
from .findings import Findings
from .load import SiteLoads
from .view import look


def check(folder: PlanFolder) -> tuple[CheckVerdict, ...]:
    """The verdict of every checker on a folder, read or assembled: each with its violations, one Japanese line each."""
    view = look(folder)
    loads = SiteLoads(view)
    found: dict[str, Findings] = {
        "windows": windows.check(view),
        "deadlines": deadlines.check(view),
        "precedence": precedence.check(view),
        "slots": slots.check(view),
        "exclusivity": exclusivity.check(view),
        "rerun_room": rerun.check(view),
        "completeness": completeness.check(view),
        "dates": dates.check(view),
        "online": online.check(view),
        "hosts": hosts.check(view),
        "capacity": capacity.check(view),
        "anti_affinity": separation.check_anti_affinity(view),
        "segments": separation.check_segments(view),
        "reserve": reserve.check(view),
        "consistency": network.check_consistency(view),
        "network": network.check(view),
        "peak": peak.check(view, loads),
        "bounds": bounds.check(view, loads),
        "digest": record.check_digest(view),
    }
    found["fits"] = record.check_fits(view, found)
    return tuple(findings.verdict(name) for name, findings in found.items())
