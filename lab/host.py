"""One host of the laboratory: its private folders, its libvirtd, and its guests as libvirt lists them."""

import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import etc
from lab.etc import HOME, MACHINE_ETC
from lab.namespaces import enter, environment
from lab.plan import LabPlan
from lab.processes import children, name_of
from lab.state import Namespaces, Places
from lab.unavailable import LabUnavailable

# The namespaces are the border of a host; libvirt's own ways to fence guests would need what is not there
# (cgroups, security modules, other users). With `file`, no virtlogd is needed.
QEMU_CONF = """\
user = "root"
group = "root"
security_driver = "none"
namespaces = []
cgroup_controllers = []
dynamic_ownership = 0
remember_owner = 0
stdio_handler = "file"
"""
LIBVIRTD_CONF = """\
host_uuid = "{uuid}"
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
log_outputs = "3:file:/var/log/libvirt/libvirtd.log"
"""
START_DEADLINE_S = 90.0
LIST_DEADLINE_S = 10.0


@dataclass(frozen=True)
class Guest:
    """A guest as its host's libvirtd lists it; `state` in libvirt's words, such as `running` or `shut off`."""

    name: str
    state: str


def folders(where: Places, name: str, plan: LabPlan) -> tuple[Path, Path, Path]:
    """The own folder, the own /run and the shared folder of a host or gateway."""
    site = plan.sites[name]
    return where.host(name), where.host_run(name), where.shared(site)


def boot_run(where: Places, name: str) -> None:
    """Empties the own /run of a host or gateway, as a machine finds it when it boots: libvirtd starts guests then."""
    run = where.host_run(name)
    if run.exists():
        shutil.rmtree(run)
    (run / "sshd").mkdir(parents=True)


def prepare(where: Places, name: str, plan: LabPlan) -> None:
    """Makes the folders of a host or gateway, with libvirt's settings in place."""
    folder, _, shared = folders(where, name, plan)
    shared.mkdir(parents=True, exist_ok=True)
    for part in ("cache/libvirt", "lib/libvirt/images", "log/libvirt", "srv/shared", "run"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for own in (MACHINE_ETC, HOME):
        _inside(folder, own).mkdir(parents=True, exist_ok=True)
    etc.furnish(folder / "etc", name, plan.addresses)
    host = next((each for each in plan.hosts if each.id == name), None)
    for pool in host.pools if host else ():
        _inside(folder, pool).mkdir(parents=True, exist_ok=True)
    identity = uuid.uuid5(uuid.NAMESPACE_URL, f"{where.state_dir}#{name}")
    (folder / "etc/libvirt/qemu.conf").write_text(QEMU_CONF)
    (folder / "etc/libvirt/libvirtd.conf").write_text(LIBVIRTD_CONF.format(uuid=identity))


def _inside(folder: Path, path: str) -> Path:
    """Where what the host sees as /var/X or /srv/X lies from outside."""
    return folder / Path(path).relative_to("/var" if path.startswith("/var/") else "/")


def start_daemons(where: Places, hosts: Sequence[Namespaces]) -> None:
    """Starts libvirtd on all these hosts at once and waits until each answers. Raises LabUnavailable otherwise."""
    command = ["libvirtd", "--daemon", "--config", "/etc/libvirt/libvirtd.conf", "--pid-file", "/run/libvirtd.pid"]
    for host in hosts:
        done = subprocess.run(
            enter(host, command), env=environment(where), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode != 0:
            raise LabUnavailable(f"libvirtd を起動できません（{host.name}）：{_last_log_line(where, host.name)}")
    limit = time.monotonic() + START_DEADLINE_S
    waiting = list(hosts)
    while waiting:
        time.sleep(0.1)
        waiting = [host for host in waiting if guests(where, host.name) is None]
        for host in waiting:
            if not _daemon_runs(host) or time.monotonic() > limit:
                reason = _last_log_line(where, host.name)
                raise LabUnavailable(f"libvirtd が起動しません（{host.name}）：{reason}")


def _daemon_runs(host: Namespaces) -> bool:
    return any(name_of(pid) == "libvirtd" for pid in children(host.holder.pid))


def _last_log_line(where: Places, host: str) -> str:
    log = where.host(host) / "log/libvirt/libvirtd.log"
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line for line in reversed(lines) if line.strip()), "理由は記録されていません")


def guests(where: Places, host: str) -> tuple[Guest, ...] | None:
    """The guests of a host by name, or None when its libvirtd does not answer within 10 seconds."""
    if not where.socket(host).exists():
        return None
    try:
        done = subprocess.run(
            ["virsh", "--quiet", "--connect", where.uri(host), "list", "--all"],
            env=environment(where),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIST_DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return parse_list(done.stdout) if done.returncode == 0 else None


def parse_list(output: str) -> tuple[Guest, ...]:
    """Reads the lines of `virsh --quiet list --all`: id or a dash, name, state (which may hold blanks)."""
    rows = (re.fullmatch(r"\s*(?:\d+|-)\s+(\S+)\s+(\S.*?)\s*", line) for line in output.splitlines())
    return tuple(sorted((Guest(row[1], row[2]) for row in rows if row), key=lambda guest: guest.name))
