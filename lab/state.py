"""Where a laboratory keeps its files, and its record of what it started."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab.plan import GuestPlan, HostPlan, LabPlan, NetworkPlan
from lab.processes import Process
from lab.unavailable import LabUnavailable
from layout.uplinks import UPLINKS_FILE

FORMAT_VERSION = "1.0"
MARK = "KUMIAI_LAB_OF"  # environment variable of every process that holds namespaces: the state folder it belongs to
SOCKET_LIMIT = 107  # bytes of a socket's path that the kernel accepts
SWITCH = "switch"  # name of the namespaces without a libvirtd that join the hosts' networks


@dataclass(frozen=True)
class Namespaces:
    """Held namespaces: process 1 inside (`holder`, numbered from outside) and the `unshare` that watches over it."""

    name: str
    holder: Process
    launcher: Process


@dataclass(frozen=True)
class Forwarder:
    """The process that answers on a loopback port of this machine for the sshd of a host or gateway."""

    name: str
    port: int
    process: Process


@dataclass(frozen=True)
class State:
    """What `up` started so far; `complete` once everything answered."""

    plan: LabPlan
    namespaces: tuple[Namespaces, ...] = ()
    forwarders: tuple[Forwarder, ...] = ()
    images: dict[str, str] = field(default_factory=dict)
    complete: bool = False

    def of(self, name: str) -> Namespaces | None:
        """The namespaces of the host (or the switch) with this name."""
        return next((each for each in self.namespaces if each.name == name), None)


@dataclass(frozen=True)
class Places:
    """The folders of one laboratory, all derived from its state folder."""

    state_dir: Path

    @property
    def record(self) -> Path:
        return self.state_dir / "state.json"

    @property
    def uris(self) -> Path:
        return self.state_dir / "uris.json"

    @property
    def local_uris(self) -> Path:
        return self.state_dir / "local-uris.json"

    @property
    def uplinks(self) -> Path:
        return self.state_dir / UPLINKS_FILE

    @property
    def ssh_record(self) -> Path:
        return self.state_dir / "ssh.json"

    @property
    def ssh(self) -> Path:
        """The folder with key, known hosts and settings for clients of this machine."""
        return self.state_dir / "ssh"

    @property
    def images_record(self) -> Path:
        return self.state_dir / "images.json"

    @property
    def run(self) -> Path:
        """Sockets live below /run, whatever the state folder: their paths must be short."""
        digest = hashlib.sha256(os.fsencode(self.state_dir)).hexdigest()[:8]
        return Path("/run") / f"kumiai-lab-{digest}"

    def image(self, image: str) -> Path:
        return self.state_dir / "images" / f"{image}.qcow2"

    def host(self, host: str) -> Path:
        """The folder whose parts are the own /etc, /var/lib, /var/cache, /var/log and /srv of a host or gateway."""
        return self.state_dir / "hosts" / host

    def host_run(self, host: str) -> Path:
        """The host's own /run."""
        return self.run / host

    def shared(self, site: str) -> Path:
        """The folder that every host of the site sees as /srv/shared."""
        return self.state_dir / "shared" / site

    def socket(self, host: str) -> Path:
        path = self.host_run(host) / "libvirt" / "libvirt-sock"
        if len(os.fsencode(path)) > SOCKET_LIMIT:
            raise LabUnavailable(f"ソケットのパスが長すぎます（{SOCKET_LIMIT} バイトまで）：{path}")
        return path

    def uri(self, host: str) -> str:
        """The URI by which libvirt clients of this machine reach the host without ssh."""
        return f"qemu+unix:///system?socket={self.socket(host)}"


def places(state_dir: Path | None = None) -> Places:
    """The places of the laboratory with this state folder: by default $KUMIAI_LAB, else `.lab` where we are."""
    chosen = state_dir or Path(os.environ.get("KUMIAI_LAB") or ".lab")
    return Places(chosen.resolve())


def save(where: Places, state: State) -> None:
    """Writes the record, complete or not at all."""
    where.state_dir.mkdir(parents=True, exist_ok=True)
    write(where.record, {"format_version": FORMAT_VERSION, "boot": boot(), **asdict(state)})


def write(path: Path, document: object) -> None:
    """Writes a JSON file beside its place and moves it there."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    fresh.replace(path)


def load(where: Places) -> State | None:
    """The record of the laboratory, or None where there is none. Raises LabUnavailable when it is damaged."""
    try:
        document = json.loads(where.record.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise LabUnavailable(
            f"検証環境の記録が壊れています：{where.record}（kumiai lab down で片付けられます）"
        ) from None
    try:
        state = _state(document)
    except (KeyError, TypeError) as error:
        raise LabUnavailable(
            f"検証環境の記録を読めません：{where.record}：{error!r}（kumiai lab down で片付けられます）"
        ) from None
    # After a restart of the machine, numbers and start times may by chance mean other processes.
    return state if document["boot"] == boot() else State(state.plan, images=state.images)


def _state(document: dict[str, Any]) -> State:
    plan = document["plan"]
    return State(
        LabPlan(
            tuple(HostPlan(**{**each, "pools": tuple(each["pools"])}) for each in plan["hosts"]),
            tuple(
                NetworkPlan(**{**each, "hosts": tuple(each["hosts"]), "taken": tuple(each["taken"])})
                for each in plan["networks"]
            ),
            tuple(plan["images"]),
            tuple(GuestPlan(**each) for each in plan["guests"]),
            bool(plan["bridges"]),
            bool(plan.get("guest_agent")),
        ),
        tuple(
            Namespaces(each["name"], Process(**each["holder"]), Process(**each["launcher"]))
            for each in document["namespaces"]
        ),
        tuple(Forwarder(each["name"], each["port"], Process(**each["process"])) for each in document["forwarders"]),
        dict(document["images"]),
        bool(document["complete"]),
    )


def boot() -> str:
    """An id of the machine's current run, different after every restart."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
