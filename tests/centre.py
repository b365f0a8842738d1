"""The small data centre of examples/centre, planned and running on the laboratory, for end-to-end tests of all rooms.

@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    with centre.started(tmp_path_factory.mktemp("centre")) as standing:
        standing.deploy("--start", "none")
        yield standing
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lab
from infra import segmentation
from layout import folder, uplinks
from layout.records import VmRecord

ROOT = Path(__file__).parents[1]
ESTATE = ROOT / "examples" / "centre" / "estate.yaml"
OPERATOR = "sato.k"
COMMAND_DEADLINE_S = 600
BOOT_DEADLINE_S = 180
# Whatever backend the engineer uses, the tests have their own.
FOREIGN = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_HOME")


@dataclass
class Centre:
    """A planned centre on a running laboratory; everything it writes lies below `root`."""

    root: Path
    plan: Path
    lab: lab.Lab
    state: Path

    @property
    def environment(self) -> dict[str, str]:
        """What commands are started with: this laboratory, no other backend."""
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        path = f"{Path(sys.executable).parent}:{kept.get('PATH', '')}"
        return kept | {"KUMIAI_LAB": str(self.lab.state_dir), "PYTHONPATH": str(ROOT), "PATH": path}

    def kumiai(self, *arguments: object, deadline_s: float = COMMAND_DEADLINE_S) -> subprocess.CompletedProcess[str]:
        """The command line, with its exit code and output."""
        return subprocess.run(
            [sys.executable, "-m", "kumiai", *map(str, arguments)],
            cwd=self.root, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=deadline_s, check=False,
        )  # fmt: skip

    def deploy(self, *options: object, plan: Path | None = None) -> subprocess.CompletedProcess[str]:
        """`kumiai deploy`, which must succeed."""
        done = self.kumiai("deploy", plan or self.plan, "--lab", "--state", self.state, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def runbook(
        self, name: str, *options: str, plan: Path | None = None, **parameters: object
    ) -> subprocess.CompletedProcess[str]:
        """`kumiai runbook run NAME --yes` with these parameters, whatever its exit code, with further `options`."""
        words = [word for key, value in parameters.items() for word in ("--param", f"{key}={value}")]
        base = ("--plan", plan or self.plan, "--lab", "--state", self.state, "--operator", OPERATOR, "--yes")
        return self.kumiai("runbook", "run", name, *base, *words, *options)

    def segment(self, plan: Path | None = None) -> None:
        """The isolation of the plan's networks on every host and gateway, as the runbook apply-network installs it."""
        layout = folder.read(plan or self.plan).layout
        wires = uplinks.read_uplinks(self.lab.uris_file.parent / uplinks.UPLINKS_FILE)
        wanted = [segmentation.host_rules(layout, wires, host.id) for host in layout.hosts]
        wanted += [segmentation.gateway_rules(layout, wires, site) for site in wires.gateways]
        for machine in wanted:
            done = self.ssh(machine.name, "sh -s apply", text=segmentation.script(machine, "試験"))
            assert done.returncode == 0, (machine.name, done.stdout, done.stderr)

    def ssh(self, machine: str, command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command on a host or gateway (`gw-SITE`), over its sshd."""
        config = self.lab.state_dir / "ssh" / "config"
        return subprocess.run(
            ["ssh", "-F", str(config), machine, command], input=text or "", capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip

    def virsh(self, host: str, *arguments: object) -> str:
        """What virsh prints about a host, over its socket; it must succeed."""
        done = subprocess.run(
            ["virsh", "--quiet", "--connect", self.lab.local_uris[host], *map(str, arguments)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout

    def vm(self, name: str) -> VmRecord:
        """A VM of the plan."""
        return next(vm for vm in folder.read(self.plan).layout.vms if vm.id == name)

    def place(self, vm: str) -> str:
        """The host that has the VM defined now."""
        found = [host for host in self.lab.local_uris if vm in self.virsh(host, "list", "--all", "--name").split()]
        assert len(found) == 1, f"{vm} is defined on {found}"
        return found[0]

    def boot(self, vms: Iterable[str], deadline_s: float = BOOT_DEADLINE_S) -> dict[str, int]:
        """Starts these VMs where they are not running, waits until each answers, and says what they count."""
        names = list(vms)
        for name in names:
            host = self.place(name)
            if self.virsh(host, "domstate", name).strip() != "running":
                self.virsh(host, "start", name)
        return {name: self.counter(name, deadline_s=deadline_s) for name in names}

    def counter(self, vm: str, deadline_s: float = 30) -> int:
        """The counter as the guest tells it on its network (TCP 81); waits for an answer."""
        limit = time.monotonic() + deadline_s
        while True:
            counted = lab.counter(self.lab.state_dir, vm, plan=self.plan)
            if counted is not None:
                return counted
            assert time.monotonic() < limit, f"{vm} tells no counter within {deadline_s} s"
            time.sleep(0.5)

    def volume_counter(self, vm: str) -> int:
        """The counter as it lies on the data volume, read from outside, whether the guest runs or not."""
        counted = lab.volume_counter(self.lab.state_dir, self.place(vm), vm)
        assert counted is not None, f"no counter on the data volume of {vm}"
        return counted


@contextmanager
def started(
    root: Path, estate: Path = ESTATE, plan: Path | None = None, *, guest_agent: bool = False
) -> Iterator[Centre]:
    """Plans the estate (or copies the plan folder `plan`), starts its laboratory below `root`, and takes it down."""
    destination = root / "plan"
    if plan is None:
        subprocess.run(
            [sys.executable, "-m", "kumiai", "plan", str(estate), "-o", str(destination)],
            cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_DEADLINE_S, check=True,
        )  # fmt: skip
    else:
        shutil.copytree(plan, destination)
    running = lab.up(root / "lab", plan=destination, guest_agent=guest_agent)
    try:
        standing = Centre(root, destination, running, root / "state")
        standing.segment()
        yield standing
    finally:
        lab.down(root / "lab")
