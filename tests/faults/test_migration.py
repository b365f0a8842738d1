"""A VM on its way to another host: the runner killed in every step, and hosts that lose their power meanwhile."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace

import pytest

import lab
from runbooks.journal import Journal
from tests.faults.stand import TENANT, standing
from tests.infra import plans

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("lab")]

STEPS_OF_MIGRATION = 9
RUN = re.compile(r"--resume (\S+)")


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_HOME"):
            patch.delenv(name, raising=False)
        with standing(tmp_path_factory.mktemp("migration"), by_ssh=True) as ready:
            ready.recover("--start", "all")
            ready.wait_for_counters()
            yield ready


def moved(stand, vm, generation):
    """The plan in which the VM stands on the other host, planned from the one that stands."""
    before = stand.plan.layout
    source = stand.host_of(vm)
    (there,) = [host.id for host in before.hosts if host.id != source]

    def change(layout):
        for now, was in zip(layout["vms"], before.vms, strict=True):
            now["host"] = there if now["id"] == vm else was.host
        layout["lineage"] = [*before.lineage, stand.plan.layout_digest]
        layout["moves"] = [{"vm": vm, "at": "2027-05-10T00:00:00+09:00", "from_host": source, "to_host": there}]

    return plans.write(stand.root / f"plan-{generation}", change, tenants=1, generation=generation)


def journal(stand):
    return Journal(stand.state / "journal")


def begun(stand, run):
    """The steps of a run that were begun, in order, each once."""
    if not run:
        return []
    return list(dict.fromkeys(entry.data["step"] for entry in journal(stand).of_run(run) if entry.kind == "step_begun"))


def newest(stand, known):
    """The run that is not among the known ones."""
    runs = [entry.run for entry in journal(stand).entries() if entry.kind == "started" and entry.run not in known]
    return runs[-1] if runs else ""


def test_the_runner_killed_in_every_step(stand):
    vm = stand.vms[0]
    stand.plan = moved(stand, vm, 2)
    known = {entry.run for entry in journal(stand).entries()}
    run, struck = "", set()
    for _ in range(3 * STEPS_OF_MIGRATION):
        options = ("--resume", run) if run else ()
        process = stand.begin_runbook("migrate-vm", *options, vm=vm)
        while process.poll() is None:
            run = run or newest(stand, known)
            fresh = [step for step in begun(stand, run) if step not in struck]
            if fresh:
                time.sleep(0.05 * len(struck))  # not always at the same place within a step
                struck.add(fresh[-1])
                stand.kill_pid(process.pid)
            time.sleep(0.01)
        if process.wait() == 0:
            break
        stand.require_counters_anywhere()
    else:
        pytest.fail((stand.root / "runbook.log").read_text())
    assert len(struck) >= STEPS_OF_MIGRATION, struck
    stand.recover()


def test_the_destination_loses_its_power(stand):
    vm = stand.vms[1]
    here = stand.plan
    stand.plan = moved(stand, vm, 3)
    lost = stand.host_of(vm)
    break_off(stand, vm, lost)
    stand.plan = replace(here)
    assert stand.virsh(here_host(here, vm), "domstate", vm).strip() == "running"
    lab.power_on(stand.lab.state_dir)
    start_all(stand)
    stand.plan = moved(stand, vm, 3)
    finish(stand, vm)


def test_the_source_loses_its_power(stand):
    """The VM dies with its host; what it had written is on the source's disk, and nowhere else whole."""
    vm = stand.vms[2]
    here = stand.plan
    stand.plan = moved(stand, vm, 4)
    break_off(stand, vm, here_host(here, vm))
    lab.power_on(stand.lab.state_dir)
    stand.plan = here
    start_all(stand)
    stand.plan = moved(stand, vm, 4)
    finish(stand, vm)


def break_off(stand, vm, host):
    """Begins the migration and takes the host's power while the VM is on its way."""
    known = {entry.run for entry in journal(stand).entries()}
    process = stand.begin_runbook("migrate-vm", vm=vm)
    while process.poll() is None:
        if any("migrate" in step for step in begun(stand, newest(stand, known))):
            time.sleep(0.3)
            lab.power_off(stand.lab.state_dir, host)
            break
        time.sleep(0.02)
    assert process.wait(900) != 0, (stand.root / "runbook.log").read_text()


def finish(stand, vm):
    """What the runbook's last words name: to resume it where it can be, else to begin anew."""
    said = (stand.root / "runbook.log").read_text()
    found = RUN.search(said)
    options = ("--resume", found[1]) if found else ()
    stand.runbook("migrate-vm", *options, vm=vm)
    stand.recover()


def here_host(plan, vm):
    return plans.vm_named(plan, vm).host


def start_all(stand):
    """Guests stay off when the laboratory's hosts get their power back; where libvirt autostarts, they do not."""
    for host in stand.lab.local_uris:
        for name in stand.virsh(host, "list", "--all", "--name").split():
            if stand.virsh(host, "domstate", name).strip() != "running":
                stand.virsh(host, "start", name)
    limit = time.monotonic() + 240
    while any(lab.counter(stand.lab.state_dir, name) is None for name in stand.vms):
        assert time.monotonic() < limit
        time.sleep(1)


def test_nothing_of_the_records_is_left_behind(stand):
    assert json.loads(stand.files(TENANT).state.read_bytes())["checkpoint"]["latest"].get("pending_operations") is None
