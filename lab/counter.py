"""The counter that every laboratory guest keeps on its data volume: read from inside the guest, and from outside."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

from lab.operations import execute, planned_guest, probe
from lab.unavailable import LabUnavailable

PORT = 81
SECTOR = 512  # bytes
RECORD = re.compile(rb"kumiai-counter (\S+) (\d+)\n\0*")


def counter(state_dir: Path | None, vm: str, *, plan: Path | None = None, deadline_s: int = 2) -> int | None:
    """What the guest tells on TCP port 81: the last number that is safely on its data volume; None where it is silent.

    `plan` is a later plan folder than that of the laboratory. Raises LabUnavailable when the plan has no such VM.
    """
    where = planned_guest(state_dir, vm, plan)
    probed = probe(state_dir, where.network, where.address, port=PORT, deadline_s=deadline_s, ping=False, plan=plan)
    answer = probed.answer
    name, _, number = (answer or "").partition(" ")
    return int(number) if name == vm and number.isdigit() else None


def volume_counter(state_dir: Path | None, host: str, vm: str) -> int | None:
    """What stands on the data volume of a VM defined on `host`, running or not; None where no volume has a counter.

    Raises LabUnavailable when the host has no such VM.
    """
    for path, kind in _disks(state_dir, host, vm):
        found = RECORD.fullmatch(_first_sector(state_dir, host, path, kind))
        if found:
            return int(found[2])
    return None


def _disks(state_dir: Path | None, host: str, vm: str) -> Iterator[tuple[str, str]]:
    """Path on the host and format of each disk."""
    described = execute(state_dir, host, ["virsh", "dumpxml", vm])
    if described.returncode != 0:
        raise LabUnavailable(f"{host} に仮想サーバ {vm} がありません：{' '.join(described.stderr.split())}")
    for disk in ElementTree.fromstring(described.stdout).iterfind("devices/disk"):  # noqa: S314 - libvirt's own
        source, driver = disk.find("source"), disk.find("driver")
        if source is None:
            continue
        path = source.get("file") or source.get("dev")
        if path is None:
            pool, volume = source.get("pool", ""), source.get("volume", "")
            path = execute(state_dir, host, ["virsh", "vol-path", "--pool", pool, volume]).stdout.strip()
        yield path, (driver.get("type") if driver is not None else None) or "raw"


def _first_sector(state_dir: Path | None, host: str, path: str, kind: str) -> bytes:
    """The first 512 bytes of a disk as its guest sees them. `-U`: the guest may have it open."""
    absolute = str(PurePosixPath("/") / path)
    read = ["qemu-io", "-U", "-r", "-f", kind, "-c", f"read -v 0 {SECTOR}", absolute]
    return parse_dump(execute(state_dir, host, read).stdout)


def parse_dump(output: str) -> bytes:
    """The bytes in what `qemu-io -c 'read -v …'` printed: lines `offset:  16 hex pairs  text`."""
    rows = (re.match(r"[0-9a-f]{8}:  ((?:[0-9a-f]{2} ){1,16})", line) for line in output.splitlines())
    return b"".join(bytes.fromhex(row[1]) for row in rows if row)
