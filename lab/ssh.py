"""The sshd of hosts and gateways: its keys and settings, and what clients on this machine and on other hosts need."""

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from lab.etc import OWN
from lab.namespaces import enter, environment
from lab.packages import opened_cache, run, search_path, unpacked
from lab.processes import children, name_of
from lab.state import Namespaces, Places, State
from lab.unavailable import LabUnavailable

USER = "root"
SSHD = f"{OWN}/sshd"  # as the host sees it
PACKAGE = "openssh-server"
KEY = "id_ed25519"
HOST_KEY = "ssh_host_ed25519_key"
# Only keys; `MaxStartups`: every provider and every runbook opens its connections at once, and a refused one is a
# failure. The libvirt provider reaches the socket of libvirtd by a forwarded stream.
SERVER = """\
Port 22
ListenAddress {address}
AddressFamily inet
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
StrictModes no
PrintMotd no
AllowStreamLocalForwarding yes
AllowTcpForwarding yes
MaxStartups 200
MaxSessions 64
PidFile /run/sshd.pid
Subsystem sftp internal-sftp
"""
# Of clients on the hosts, libvirtd among them.
CLIENT = """\
Host *
    User root
    IdentityFile /etc/ssh/id_ed25519
    IdentitiesOnly yes
    UserKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
"""


@dataclass(frozen=True)
class SshAccess:
    """How a client on this machine reaches a host or gateway."""

    address: str
    port: int
    user: str
    key_file: str
    known_hosts: str

    @property
    def uri(self) -> str:
        """The URI of its libvirtd, in the provider's dialect."""
        files = f"keyfile={quote(self.key_file)}&knownhosts={quote(self.known_hosts)}"
        return f"qemu+ssh://{self.user}@{self.address}:{self.port}/system?{files}"


def program() -> Path:
    """The machine's sshd, else one that is unpacked from Debian's package. Raises LabUnavailable without either."""
    found = shutil.which("sshd", path=search_path())
    if found:
        return Path(found)
    with opened_cache() as cache:
        folder = unpacked(cache, "sshd", lambda: PACKAGE, _keep_sshd)
    return folder / "sshd"


def _keep_sshd(tree: Path, kept: Path) -> None:
    shutil.copy(tree / "usr/sbin/sshd", kept)


def furnish(where: Places, addresses: Mapping[str, str], sshd: Path) -> None:
    """Gives every host and gateway its keys and settings, and all of them each other's."""
    where.ssh.mkdir(mode=0o700, exist_ok=True)
    _new_key(where.ssh / KEY, "kumiai-lab")
    for name in addresses:
        folder = where.host(name) / "etc/ssh"
        _new_key(folder / KEY, name)
        _new_key(folder / HOST_KEY, name)
    allowed = "".join(
        (folder / f"{KEY}.pub").read_text()
        for folder in (where.ssh, *(where.host(each) / "etc/ssh" for each in addresses))
    )
    known = "".join(f"{each},{address} {host_key(where, each)}\n" for each, address in addresses.items())
    for name, address in addresses.items():
        folder = where.host(name) / "etc/ssh"
        (folder / "authorized_keys").write_text(allowed)
        (folder / "ssh_known_hosts").write_text(known)
        (folder / "ssh_config").write_text(CLIENT)
        (folder / "sshd_config").write_text(SERVER.format(address=address))
        shutil.copyfile(sshd, where.host(name) / "lib/kumiai-lab/sshd")
        (where.host(name) / "lib/kumiai-lab/sshd").chmod(0o755)


def _new_key(path: Path, comment: str) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path), purpose="SSH 鍵の作成")


def host_key(where: Places, name: str) -> str:
    """Kind and key of a host, as they stand in a file of known hosts."""
    kind, key = (where.host(name) / "etc/ssh" / f"{HOST_KEY}.pub").read_text().split()[:2]
    return f"{kind} {key}"


def start(where: Places, members: Iterable[Namespaces]) -> None:
    """Starts sshd in these namespaces. Raises LabUnavailable when one does not start."""
    for member in members:
        done = subprocess.run(
            enter(member, [SSHD, "-f", "/etc/ssh/sshd_config", "-E", "/var/log/sshd.log"]),
            env=environment(where), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise LabUnavailable(f"sshd を起動できません（{member.name}）：{' '.join(done.stderr.split())}")


def runs(member: Namespaces) -> bool:
    """Whether the sshd that was started in these namespaces runs."""
    return any(name_of(pid) == "sshd" for pid in children(member.holder.pid))


def accesses(where: Places, state: State) -> dict[str, SshAccess]:
    """How every host and gateway is reached from this machine."""
    key, known = str(where.ssh / KEY), str(where.ssh / "known_hosts")
    return {each.name: SshAccess("127.0.0.1", each.port, USER, key, known) for each in state.forwarders}


def write_client_files(where: Places, ways: Mapping[str, SshAccess]) -> None:
    """`ssh/known_hosts` and `ssh/config`, by which `ssh -F ssh/config NAME` works."""
    known = (f"[{way.address}]:{way.port},{name} {host_key(where, name)}\n" for name, way in ways.items())
    (where.ssh / "known_hosts").write_text("".join(known))
    lines = []
    for name, way in ways.items():
        lines += [f"Host {name}", f"    HostName {way.address}", f"    Port {way.port}"]
    lines += [
        "Host *",
        f"    User {USER}",
        f'    IdentityFile "{where.ssh / KEY}"',
        "    IdentitiesOnly yes",
        f'    UserKnownHostsFile "{where.ssh / "known_hosts"}"',
        "    GlobalKnownHostsFile /dev/null",
        "    StrictHostKeyChecking yes",
        "    BatchMode yes",
        "    ControlMaster no",
        "    ControlPath none",
    ]
    (where.ssh / "config").write_text("\n".join(lines) + "\n")
