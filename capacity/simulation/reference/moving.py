"""Relocations: a VM moves live with all its work, or fails, loses the work of its runs and is restarted later."""

from __future__ import annotations

from .host import Host
from .instant import Instant
from .run import Run
from .serving import carry, take_off
from .vm import Vm


def move(vm: Vm, to_host: Host, instant: Instant) -> None:
    """From now on the VM is on the other host; its runs go on with what is left."""
    _leave_host(vm, instant)
    for run in vm.holders.values():
        carry(run, to_host.storage, to_host.line, instant)
    vm.host = to_host
    instant.touch_cores(vm)


def fail(vm: Vm, instant: Instant) -> None:
    """The VM is down; runs that hold a slot have lost everything and queue again with their ready time."""
    _leave_host(vm, instant)
    vm.is_up = False
    lost, vm.holders = vm.holders, {}
    for run in lost.values():
        _lose(run, instant)
        vm.queue_up(run)
    instant.ends = [run for run in instant.ends if run.vm is not vm]


def restart(vm: Vm, to_host: Host, instant: Instant) -> None:
    """The VM is up again."""
    _leave_host(vm, instant)
    vm.host = to_host
    vm.is_up = True
    instant.vms[vm] = None
    instant.touch_cores(vm)


def _leave_host(vm: Vm, instant: Instant) -> None:
    vm.host.part_with(vm, instant.now)
    instant.resources[vm.host] = None


def _lose(run: Run, instant: Instant) -> None:
    for work in (run.cpu, run.storage, run.line):
        if work is not None:
            take_off(work, instant)
    if run.idle is not None:
        run.idle.void = True
        run.idle = None
