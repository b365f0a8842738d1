"""The own /etc of a host or gateway: a few files of its own, the rest as links into that of the machine (read-only)."""

from collections.abc import Mapping
from pathlib import Path

OWN = "/var/lib/kumiai-lab"  # as the host sees it: what belongs to the laboratory and not to the host
MACHINE_ETC = f"{OWN}/etc"  # where the holder mounts the machine's /etc, read-only
HOME = f"{OWN}/root"
# What the host may change, or what would tell it about the machine. `kumiai`: its own network settings.
PRIVATE = frozenset(
    {"group", "gshadow", "hostname", "hosts", "kumiai", "libvirt", "passwd", "shadow", "ssh", "systemd"}
)
# Debian's libvirt looks its user up before it reads that it is to use root, and sshd one without rights;
# the packages that make them are not here. Root has a home of its own and no password, but is not locked.
USERS = {
    "root": f"root:x:0:0:root:{HOME}:/bin/bash",
    "libvirt-qemu": "libvirt-qemu:x:64055:64055:Libvirt QEMU:/var/lib/libvirt:/usr/sbin/nologin",
    "sshd": "sshd:x:64056:65534::/run/sshd:/usr/sbin/nologin",
}
GROUPS = {"libvirt-qemu": "libvirt-qemu:x:64055:"}
SHADOW = "root:*:20000:0:99999:7:::\n"


def furnish(folder: Path, name: str, addresses: Mapping[str, str]) -> None:
    """Makes the /etc of `name` in the empty or earlier `folder`; `addresses` are those of all hosts by name."""
    for own in ("kumiai", "libvirt", "ssh", "systemd/system"):
        (folder / own).mkdir(parents=True, exist_ok=True)
    for entry in Path("/etc").iterdir():
        link = folder / entry.name
        if entry.name in PRIVATE or entry.name.endswith("-") or link.is_symlink():
            continue
        # A link of the machine may be relative to /etc: it is copied, not pointed at.
        link.symlink_to(entry.readlink() if entry.is_symlink() else f"{MACHINE_ETC}/{entry.name}")
    lines = "".join(f"{address} {each}\n" for each, address in addresses.items())
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{lines}")
    (folder / "hostname").write_text(f"{name}\n")
    for file, own_lines in (("passwd", USERS), ("group", GROUPS)):
        others = [line for line in Path("/etc", file).read_text().splitlines() if line.split(":")[0] not in own_lines]
        (folder / file).write_text("\n".join([*own_lines.values(), *others]) + "\n")
    shadow = folder / "shadow"
    shadow.touch(mode=0o600)
    shadow.write_text(SHADOW)
