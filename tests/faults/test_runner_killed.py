"""Runners killed in every step of a procedure, and hosts that lose their power while a VM moves between them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field

import pytest

import lab
from layout import folder
from runbooks.running.journal import Journal
from tests import centre
from tests.faults.struck_runner import step_of

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("lab")]

TAX = "hyuga-resident-tax-ap-01"
REGISTRY = "kadogawa-resident-registry-ap-01"
HERE, THERE = "lab01", "lab02"
RESUME = re.compile(r"--resume (\S+)")
DEADLINE_S = 600


@dataclass
class Stand:
    """The centre with two guests that count, and the newest plan; `seen` is the highest value of each counter."""

    made: centre.Centre
    seen: dict[str, int] = field(default_factory=dict)
    plans: int = 0

    @property
    def journal(self) -> Journal:
        return Journal(self.made.state / "journal")

    def replan(self, *options: str) -> None:
        """Plans anew; from here on the new plan is the centre's."""
        self.plans += 1
        following = self.made.root / f"plan-{self.plans}"
        estate = self.made.root / "estate" / "estate.yaml"
        done = self.made.kumiai("plan", estate, "-o", following, "--keep", self.made.plan, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        self.made.plan = following

    def edit(self, old: str, new: str, after: str) -> None:
        path = self.made.root / "estate" / "catalogue.yaml"
        text = path.read_text(encoding="utf-8")
        start = text.index(after)
        assert old in text[start:]
        path.write_text(text[:start] + text[start:].replace(old, new, 1), encoding="utf-8")

    def words(self, name: str, *options: str, **parameters: object) -> list[str]:
        """The words of `kumiai runbook run NAME`."""
        given = [word for key, value in parameters.items() for word in ("--param", f"{key}={value}")]
        base = ["--plan", str(self.made.plan), "--lab", "--state", str(self.made.state), "--operator", centre.OPERATOR]
        return ["runbook", "run", name, *base, "--yes", *given, *options]

    def started(self, *words: str) -> subprocess.Popen[str]:
        """A Python program, whose output goes to `runner.log`."""
        with (self.made.root / "runner.log").open("w") as output:
            return subprocess.Popen(
                [sys.executable, *words], cwd=self.made.root, env=self.made.environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            )  # fmt: skip

    def said(self) -> str:
        return (self.made.root / "runner.log").read_text(errors="replace")

    def runs(self) -> list[str]:
        return [entry.run for entry in self.journal.entries() if entry.kind == "started"]

    def killed_in_every_step(self, name: str, *options: str, **parameters: object) -> list[str]:
        """Carries a runbook out with a runner that is killed once in every step; answers the steps."""
        strikes, before = self.made.root / f"{name}.struck", self.runs()
        resume: list[str] = []
        for _ in range(20):
            runner = self.started(
                "-m", "tests.faults.struck_runner", str(strikes), *self.words(name, *options, *resume, **parameters)
            )
            ended = runner.wait(DEADLINE_S)
            (run,) = [each for each in self.runs() if each not in before]
            resume, parameters = ["--resume", run], {}
            if ended != -signal.SIGKILL:
                break
        assert ended == 0, self.said()
        assert "判定：完了" in self.said()
        entries = [entry for entry in self.journal.of_run(run) if entry.kind == "step_begun"]
        begun = [step_of(entry.data["step"]) for entry in entries]
        struck = [line.split("\t")[0] for line in strikes.read_text(encoding="utf-8").splitlines()]
        assert struck == list(dict.fromkeys(begun))
        return struck

    def require_counters(self, deadline_s: float = 240) -> None:
        """Both guests run on one host and count on from where they were."""
        for vm in (TAX, REGISTRY):
            assert self.made.virsh(self.made.place(vm), "domstate", vm).strip() == "running"
            counted = self.made.counter(vm, deadline_s=deadline_s)
            assert counted >= self.seen.get(vm, 0), f"{vm} counts {counted}, was {self.seen[vm]}"
            self.seen[vm] = counted

    def require_wanted(self) -> None:
        """Everything is as the newest plan has it, the records too, and the journal is whole."""
        self.require_counters()
        layout = folder.read(self.made.plan).layout
        assert {vm.id: self.made.place(vm.id) for vm in layout.vms} == {vm.id: vm.host for vm in layout.vms}
        for host in (HERE, THERE):
            disks = {disk.name for vm in layout.vms if vm.host != host for disk in vm.disks}
            assert disks.isdisjoint(self.made.virsh(host, "vol-list", "default").split())
        stacks = [word for vm in (TAX, REGISTRY) for word in ("--stack", self.made.vm(vm).tenant)]
        assert "変更なし" in self.made.deploy("--start", "none", *stacks).stdout
        told = self.made.kumiai("runbook", "journal", "--state", self.made.state)
        assert told.returncode == 0, told.stdout + told.stderr


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    with centre.started(tmp_path_factory.mktemp("killed")) as made:
        estate = made.root / "estate"
        estate.mkdir()
        for name in ("estate.yaml", "catalogue.yaml"):
            (estate / name).write_text((centre.ESTATE.parent / name).read_text(encoding="utf-8"), encoding="utf-8")
        made.deploy("--start", "none")
        made.boot([TAX, REGISTRY])
        found = Stand(made)
        found.require_counters()
        yield found


def test_a_running_vm_moves_though_the_runner_is_killed_in_every_step(stand):
    stand.replan("--move", f"{REGISTRY}={THERE}")
    struck = stand.killed_in_every_step("migrate-vm", vm=REGISTRY)
    assert {"export", "migrate", "record"} <= set(struck)
    stand.require_wanted()


def test_the_destination_loses_its_power(stand):
    """The VM stays where it is; what the runner's last words name brings it there when the host is back."""
    bring(stand, THERE)
    stand.replan("--move", f"{REGISTRY}={HERE}")
    break_off(stand, HERE)
    assert stand.made.virsh(THERE, "domstate", REGISTRY).strip() == "running"
    finish(stand)


def test_the_source_loses_its_power(stand):
    """The VM dies with its host: all that it had written is on that host's disk, and nowhere else."""
    bring(stand, HERE)
    stand.replan("--move", f"{REGISTRY}={THERE}")
    break_off(stand, HERE)
    # It might have arrived: the host that comes back must not begin it a second time by itself.
    lab.power_on(stand.made.lab.state_dir)
    limit = time.monotonic() + DEADLINE_S
    while stand.made.virsh(HERE, "domstate", TAX).strip() != "running":
        assert time.monotonic() < limit
        time.sleep(0.5)
    assert stand.made.virsh(HERE, "domstate", REGISTRY).strip() == "shut off"
    finish(stand)


def test_a_disk_grows_and_memory_changes_though_the_runner_is_killed_in_every_step(stand):
    size = "memory_gib: {all: 0.125}, disk_gib: {all: 0.0625}"
    stand.edit(size, "memory_gib: {all: 0.15625}, disk_gib: {all: 0.125}", after="  resident-tax:")
    stand.replan()
    grown = stand.killed_in_every_step("grow-disk", vm=TAX, disk=f"{TAX}-data")
    assert "grow" in grown
    host = stand.made.place(TAX)
    assert "134217728" in stand.made.virsh(host, "domblkinfo", TAX, "vdb")
    resized = stand.killed_in_every_step("resize-memory", "--confirm", TAX, vm=TAX)
    assert {"stop", "resize", "start", "record"} <= set(resized)
    assert "163840 KiB" in stand.made.virsh(host, "dominfo", TAX)
    stand.require_wanted()


def bring(stand: Stand, host: str) -> None:
    """Moves the VM to that host where it is not there yet: a test may run alone."""
    if stand.made.place(REGISTRY) != host:
        stand.replan("--move", f"{REGISTRY}={host}")
        moved = stand.made.runbook("migrate-vm", vm=REGISTRY)
        assert moved.returncode == 0, moved.stdout + moved.stderr


def break_off(stand: Stand, host: str) -> None:
    """Begins to move the VM, and takes the power from a host while it is on its way."""
    known = stand.runs()
    runner = stand.started("-m", "kumiai", *stand.words("migrate-vm", vm=REGISTRY))
    limit = time.monotonic() + DEADLINE_S
    while not under_way(stand, known):
        assert runner.poll() is None, stand.said()
        assert time.monotonic() < limit
        time.sleep(0.05)
    time.sleep(0.5)
    lab.power_off(stand.made.lab.state_dir, host)
    assert runner.wait(DEADLINE_S) == 1, stand.said()


def under_way(stand: Stand, known: list[str]) -> bool:
    return any(
        entry.kind == "command" and entry.data["step"] == "migrate" and entry.data["phase"] == "apply"
        for entry in stand.journal.entries()
        if entry.run not in known
    )


def finish(stand: Stand) -> None:
    """Power again, and then what the runner's last words name, nothing else."""
    said = stand.said()
    named = RESUME.search(said)
    assert named is not None, said
    lab.power_on(stand.made.lab.state_dir)
    runner = stand.started("-m", "kumiai", *stand.words("migrate-vm", "--resume", named[1]))
    assert runner.wait(DEADLINE_S) == 0, stand.said()
    stand.require_wanted()
