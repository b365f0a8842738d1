"""Putting a run's work on the resources that serve it, and taking it off again."""

from __future__ import annotations

from .bandwidth import Bandwidth
from .instant import Instant
from .run import Phase, Run
from .work import Work


def put_on(run: Run, phase: Phase, instant: Instant) -> None:
    """Let the run's work be served: what a resource without limit serves takes no time."""
    host = run.vm.host
    if phase.cpu_s > 0:
        run.cpu = run.vm.working[run.row] = Work(run, phase.cpu_s, phase.cap)
        instant.touch_cores(run.vm)
    if phase.io_mib > 0 and host.storage is not None:
        run.storage = _put_on(host.storage, Work(run, phase.io_mib), instant)
    if phase.line_mib > 0 and host.line is not None:
        run.line = _put_on(host.line, Work(run, phase.line_mib), instant)


def take_off(work: Work, instant: Instant) -> None:
    """The work is through, or lost."""
    run, host = work.run, work.run.vm.host
    if work is run.cpu:
        run.vm.take_off(work, instant.now)
        run.cpu = None
        instant.touch_cores(run.vm)
    elif work is run.storage:
        run.storage = _hand_over(work, host.storage, None, instant)
    elif work is run.line:
        run.line = _hand_over(work, host.line, None, instant)


def carry(run: Run, storage: Bandwidth | None, line: Bandwidth | None, instant: Instant) -> None:
    """What is left to read, write and send goes on at another host; with no limit there it is through."""
    was_busy = run.is_busy
    host = run.vm.host
    if run.storage is not None:
        run.storage = _hand_over(run.storage, host.storage, storage, instant)
    if run.line is not None:
        run.line = _hand_over(run.line, host.line, line, instant)
    if was_busy and not run.is_busy:
        instant.ends.append(run)


def _put_on(bandwidth: Bandwidth, work: Work, instant: Instant) -> Work:
    bandwidth.works[work.run.row] = work
    instant.resources[bandwidth] = None
    return work


def _hand_over(work: Work, old: Bandwidth | None, new: Bandwidth | None, instant: Instant) -> Work | None:
    if new is old:
        return work
    if old is not None:
        work.serve_at(0.0, instant.now)
        del old.works[work.run.row]
        instant.resources[old] = None
    return None if new is None else _put_on(new, work, instant)
