"""A small plan on real libvirt hosts, whose deployment can be killed at a moment of one's choice.

Three VMs on two hosts. Each keeps a counter on its data volume, which must never go back, whatever is killed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import lab
from infra.recovery import checkpoint, intent, turns
from infra.recovery.checkpoint import Thing
from lab import processes
from lab import state as lab_state
from layout import folder
from layout.records import VmRecord
from tests.infra import plans

ROOT = Path(__file__).parents[2]
SITE, TENANT = "hosts-dc", "t00"
FOREIGN = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_HOME")
TARGETS = {
    "engine": "pulumi",
    "language host": "pulumi-language",  # the kernel keeps fifteen letters
    "program": "python",
    "provider": "pulumi-resource",
}
EVERYTHING = "everything"
OPERATOR = ("--operator", "sato.k")
DEADLINE_S = 600
BOOT_S = 240


@dataclass
class Stand:
    """The plan, its laboratory, its state; `seen` is the highest value of each counter so far."""

    root: Path
    plan: folder.PlanFolder
    lab: lab.Lab
    by_ssh: bool = False
    """Whether hosts are reached as in a data centre, which runbooks need, or by sockets, which is quicker."""
    segmented: bool = False
    seen: dict[str, int] = field(default_factory=dict)
    begun: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def uris(self) -> Path:
        return self.lab.uris_file if self.by_ssh else self.lab.state_dir / "local-uris.json"

    @property
    def vms(self) -> list[str]:
        return [vm.id for vm in self.plan.layout.vms]

    def vm(self, name: str) -> VmRecord:
        return plans.vm_named(self.plan, name)

    def host_of(self, vm: str) -> str:
        return self.vm(vm).host

    def files(self, stack: str) -> checkpoint.Files:
        return checkpoint.Files(self.state / "stacks", stack)

    def virsh(self, host: str, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            ["virsh", "--quiet", "--connect", self.lab.local_uris[host], *words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, (words, done.stderr)
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        """What commands are started with: no other backend, this source, no other `kumiai`."""
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        kept["KUMIAI_LAB"] = str(self.lab.state_dir)
        return kept | {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{kept.get('PATH', '')}"}

    def start(self, log: str, *words: object) -> subprocess.Popen[str]:
        """Starts a command of kumiai; what it says goes to that file."""
        with (self.root / log).open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "kumiai", *map(str, words)],
                cwd=self.root, env=self.environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, text=True, start_new_session=True,
            )  # fmt: skip
        self.begun.append(process)
        return process

    def end(self) -> None:
        """Ends what was begun and still runs, as after Ctrl-C in the middle of a round."""
        for process in self.begun:
            if process.poll() is None:
                process.kill()
                process.wait()
        turns.end_orphans(self.state)

    @property
    def target(self) -> tuple[object, ...]:
        """The options that say what is worked on."""
        return ("--state", self.state, "--uris", self.uris, "--domain-type", "qemu")

    def begin(self, *options: str) -> subprocess.Popen[str]:
        """Starts `kumiai deploy`; what it says goes to `deploy.log`."""
        return self.start("deploy.log", "deploy", self.plan.path, *self.target, *options)

    def begin_runbook(self, name: str, *options: str, **parameters: str) -> subprocess.Popen[str]:
        """Starts a runbook; what it says goes to `runbook.log`."""
        given = [word for key, value in parameters.items() for word in ("--param", f"{key}={value}")]
        base = ("--plan", self.plan.path, *self.target, *OPERATOR, "--yes")
        return self.start("runbook.log", "runbook", "run", name, *base, *given, *options)

    def runbook(self, name: str, *options: str, code: int = 0, **parameters: str) -> str:
        """A runbook that nobody kills; it must end with this exit code. Answers what it said."""
        ended = self.begin_runbook(name, *options, **parameters).wait(DEADLINE_S)
        said = (self.root / "runbook.log").read_text(errors="replace")
        assert ended == code, said
        return said

    def in_lab(self, *words: object) -> str:
        """A command that asks the laboratory for everything; it must end well. Answers what it said."""
        ended = self.start("lab.log", *words, "--lab", "--state", self.state).wait(DEADLINE_S)
        said = (self.root / "lab.log").read_text(errors="replace")
        assert ended == 0, said
        return said

    def said(self) -> str:
        """What the last deployment said."""
        return (self.root / "deploy.log").read_text(errors="replace")

    def deploy(self, *options: str, code: int = 0) -> str:
        """A deployment that nobody kills; it must end with this exit code. Answers what it said."""
        process = self.begin(*options)
        try:
            ended = process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGINT)
            process.wait()
            raise
        assert ended == code, self.said()
        return self.said()

    def recover(self, *options: str) -> str:
        """A deployment that must reach the wanted state; then everything is looked at."""
        said = self.deploy(*options)
        assert "判定：構築済み" in said
        self.require_wanted()
        return said

    def require_wanted(self) -> None:
        """Every VM once and in its place, no counter gone back, and nothing left of dead runs."""
        layout = self.plan.layout
        for host in self.lab.local_uris:
            wanted = {vm.id for vm in layout.vms if vm.host == host}
            assert set(self.virsh(host, "list", "--all", "--name").split()) == wanted
        for stack in (SITE, TENANT):
            found = self.record(stack)
            assert not found.untidy
            assert list(self.files(stack).locks.glob("*.json")) == []
        assert intent.all_open(self.state) == ()
        assert self.programs() == {}
        self.require_counters()

    def require_counters(self) -> dict[str, int]:
        """What the data volumes say; never less than before."""
        for vm in self.vms:
            found = lab.volume_counter(self.lab.state_dir, self.host_of(vm), vm)
            assert found is not None or vm not in self.seen, f"{vm} has lost its counter"
            assert (found or 0) >= self.seen.get(vm, 0), f"{vm} counts {found}, was {self.seen[vm]}"
            if found is not None:
                self.seen[vm] = found
        return dict(self.seen)

    def wait_for_counters(self, vms: Collection[str] = ()) -> None:
        """Waits until each running guest has counted."""
        limit = time.monotonic() + BOOT_S
        for vm in vms or self.vms:
            while lab.volume_counter(self.lab.state_dir, self.host_of(vm), vm) is None:
                assert time.monotonic() < limit, f"{vm} does not count"
                time.sleep(1)
        self.require_counters()

    def boot(self, before: Mapping[str, int]) -> dict[str, int]:
        """Starts the VMs that stand still and waits until every counter is past what it was."""
        for vm in self.vms:
            if self.virsh(self.host_of(vm), "domstate", vm).strip() != "running":
                self.virsh(self.host_of(vm), "start", vm)
        limit = time.monotonic() + BOOT_S
        while True:
            found = self.require_counters()
            if all(found.get(vm, 0) > before.get(vm, 0) for vm in self.vms):
                return found
            assert time.monotonic() < limit, f"{found}, was {before}"
            time.sleep(1)

    def wait_until_it_answers(self, vm: str) -> int:
        """Waits until the guest tells its counter on its network: then it has booted. Answers the counter."""
        limit = time.monotonic() + BOOT_S
        while (counted := lab.counter(self.lab.state_dir, vm, plan=self.plan.path)) is None:
            assert time.monotonic() < limit, f"{vm} does not answer"
            time.sleep(0.5)
        return counted

    def record(self, stack: str) -> checkpoint.Record:
        return checkpoint.read(self.root, {"PULUMI_BACKEND_URL": f"file://{self.state / 'stacks'}"}, stack)

    def programs(self) -> dict[int, str]:
        """Every program that works on the state: number to name."""
        found = processes.marked(turns.STATE_OF, str(self.state.resolve()))
        names = {each.pid: processes.name_of(each.pid) for each in found}
        return {pid: name for pid, name in names.items() if name is not None}

    def libvirtd(self, host: str) -> int:
        """The number of a host's libvirtd."""
        (pid,) = self.libvirtds(host)
        return pid

    def libvirtds(self, host: str) -> list[int]:
        return [each for each in processes.children(self._holder(host)) if processes.name_of(each) == "libvirtd"]

    def _holder(self, host: str) -> int:
        state = lab_state.load(lab_state.places(self.lab.state_dir))
        assert state is not None
        member = state.of(host)
        assert member is not None
        return member.holder.pid

    def revive(self) -> None:
        """What systemd does on a real host: starts a libvirtd that died."""
        lab.up(self.lab.state_dir, plan=self.plan.path, bridges=not self.segmented)

    def unmake(self, vms: Collection[str], *, everything: bool = False) -> None:
        """Takes VMs away, all but their data volumes, from host and record: the next deployment makes them again.

        `everything`: all VMs, and the base images and networks of the hosts too.
        """
        chosen = set(self.vms if everything else vms)
        gone: set[Thing] = set()
        for vm in self.plan.layout.vms:
            if vm.id in chosen:
                self.virsh(vm.host, "destroy", vm.id, check=False)
                self.virsh(vm.host, "undefine", vm.id, check=False)
                gone.add(Thing(vm.host, "domain", "", vm.id))
                for name in self.virsh(vm.host, "vol-list", "default").split():
                    if name.startswith((f"{vm.id}-system", f"{vm.id}-seed-")) and "/" not in name:
                        self.virsh(vm.host, "vol-delete", name, "default")
                        gone.add(Thing(vm.host, "volume", "default", name))
        self._forget(TENANT, gone)
        if everything:
            below: set[Thing] = set()
            for host in self.lab.local_uris:
                for name in self.virsh(host, "net-list", "--all", "--name").split():
                    self.virsh(host, "net-destroy", name, check=False)
                    self.virsh(host, "net-undefine", name)
                    below.add(Thing(host, "network", "", name))
                self.virsh(host, "vol-delete", "guest.qcow2", "default")
                below.add(Thing(host, "volume", "default", "guest.qcow2"))
            self._forget(SITE, below)

    def _forget(self, stack: str, things: Collection[Thing]) -> None:
        files = self.files(stack)
        latest = json.loads(files.state.read_bytes())["checkpoint"]["latest"]
        checkpoint.rewrite(files, checkpoint.tidied(latest, frozenset(things)))

    def pending(self, stack: str, kind: str = "") -> bool:
        """Whether the record says that a thing of that kind (any, without one) is being made just now."""
        return any(not kind or thing.kind == kind for thing in self.pendings(stack))

    def pendings(self, stack: str) -> frozenset[Thing]:
        """What the record says is being made just now."""
        try:
            latest = json.loads(self.files(stack).state.read_bytes())["checkpoint"].get("latest") or {}
        except (OSError, ValueError):
            return frozenset()
        return checkpoint.summary(latest).pending

    def half_made(self, vm: str) -> bool:
        """Whether the VM is being made, and libvirt has its definition already: it is being started just now."""
        host = self.host_of(vm)
        if not self.definition(vm).exists():
            return False
        return Thing(host, "domain", "", vm) in self.pendings(TENANT)

    def definition(self, vm: str) -> Path:
        """The file in which the host's libvirt keeps the VM's definition, written before the VM is started."""
        return lab_state.places(self.lab.state_dir).host(self.host_of(vm)) / "etc/libvirt/qemu" / f"{vm}.xml"

    def guests(self, vm: str) -> list[int]:
        """The QEMU processes of the VM on its host, whatever libvirtd knows of them."""
        found = processes.children(self._holder(self.host_of(vm)))
        return [pid for pid in found if f"guest={vm}," in _command(pid) and "qemu" in _command(pid).partition("\0")[0]]

    def note(self, vm: str) -> Path:
        """Where the host's libvirtd notes what it needs of a running VM when it is started again."""
        return lab_state.places(self.lab.state_dir).host_run(self.host_of(vm)) / "libvirt/qemu" / f"{vm}.xml"

    def stuck(self) -> list[str]:
        """VMs that a libvirtd holds as starting though no process of theirs was ever begun."""
        return [vm for vm in self.vms if self.note(vm).exists() and " pid='0'>" in self.note(vm).read_text()]

    def kill_libvirtd(self, host: str) -> None:
        """Kills it; systemd starts it again."""
        self.kill_pid(self.libvirtd(host))
        self.revive()

    def kill_libvirtd_before_it_runs(self, vm: str) -> None:
        """Kills it when it has forked for the VM's QEMU and the child still waits for its word.

        That is a few milliseconds: libvirtd is let run by the millisecond until its note of the VM is there.
        """
        pid = self.libvirtd(self.host_of(vm))
        limit = time.monotonic() + BOOT_S
        while True:
            os.kill(pid, signal.SIGSTOP)
            if self.guests(vm) or time.monotonic() > limit:
                os.kill(pid, signal.SIGCONT)  # too late
                return
            if self.note(vm).exists():
                break
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.001)
        self.kill_libvirtd(self.host_of(vm))

    def let_go(self, vm: str) -> None:
        """What the deployment tells the engineer to do on the host of a VM that is stuck."""
        host = self.host_of(vm)
        os.kill(self.libvirtd(host), signal.SIGTERM)
        self._wait_for_end(host)
        assert self.guests(vm) == []
        self.note(vm).unlink()
        self.revive()

    def _wait_for_end(self, host: str) -> None:
        limit = time.monotonic() + BOOT_S
        while self.libvirtds(host):
            assert time.monotonic() < limit
            time.sleep(0.05)

    def left_over(self) -> set[str]:
        """VMs that a host has and the record does not."""
        known = {thing.name for thing in self.record(TENANT).standing if thing.kind == "domain"}
        there = {name for host in self.lab.local_uris for name in self.virsh(host, "list", "--all", "--name").split()}
        return there - known

    def kill(self, process: subprocess.Popen[str], target: str) -> list[int]:
        """Kills the deployment's own process, its programs of that kind, or everything of it; answers their numbers."""
        if target == "kumiai":
            pids = [process.pid] if process.poll() is None else []
        elif target == EVERYTHING:
            pids = [process.pid, *self.programs()] if process.poll() is None else []
        else:
            name = TARGETS[target]
            pids = [
                pid
                for pid, found in self.programs().items()
                if found == name or (target == "program" and found.startswith(name))
            ]
        for pid in pids:
            self.kill_pid(pid)
        return pids

    def kill_pid(self, pid: int) -> None:
        """SIGKILL, also where the process has just ended by itself."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def interrupt(self, target: str, moment: Callable[[], bool], *options: str) -> list[int]:
        """Starts a deployment and kills the target as soon as the moment has come; answers what was killed."""
        killed: list[int] = []

        def strike(process: subprocess.Popen[str]) -> None:
            killed.extend(self.kill(process, target))

        self.strike(strike, moment, *options)
        return killed

    def strike(
        self, strike: Callable[[subprocess.Popen[str]], None], moment: Callable[[], bool], *options: str
    ) -> int | None:
        """Starts a deployment and strikes as soon as the moment has come; the exit code, None where it never came."""
        process = self.begin(*options)
        limit = time.monotonic() + DEADLINE_S
        while not (come := moment()) and process.poll() is None:
            assert time.monotonic() < limit
            time.sleep(0.005)
        if come:
            strike(process)
        ended = process.wait(DEADLINE_S)
        return ended if come else None

    def during(self, act: Callable[[], bool], *options: str) -> int:
        """Runs a deployment and acts (again and again until that answers True); the deployment's exit code."""
        process = self.begin(*options)
        acted = False
        while process.poll() is None:
            acted = acted or act()
            time.sleep(0.005)
        assert acted, self.said()
        return process.returncode


def _command(pid: int) -> str:
    """The words of a process's command, with a zero byte after each; empty once it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


@contextmanager
def standing(root: Path, *, by_ssh: bool = False, segmented: bool = False) -> Iterator[Stand]:
    """The laboratory with nothing built yet; taken down at the end, whatever happened.

    `segmented`: its networks have been isolated by the runbook, else the lab joins them without any rule.
    """
    plan = plans.write(root / "plan", tenants=1)
    running = lab.up(root / "lab", plan=plan.path, bridges=not segmented)
    stand = Stand(root, plan, running, by_ssh, segmented)
    try:
        if segmented:
            said = stand.in_lab("runbook", "run", "apply-network", "--plan", plan.path, "--yes", *OPERATOR)
            assert "kvm02" in said
        yield stand
    finally:
        stand.end()
        lab.down(root / "lab")
