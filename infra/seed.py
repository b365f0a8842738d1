"""The NoCloud seed of a VM: its name, its address and who may log in, on an ISO image that depends on nothing else.

Equal content gives equal bytes, wherever and whenever it is made: the volume is named after the hash.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from ipaddress import ip_interface, ip_network
from pathlib import Path

import pycdlib
from pycdlib.dates import DirectoryRecordDate
from pycdlib.dr import DirectoryRecord

from layout.records import NetworkRecord, VmRecord

LABEL = "cidata"
SECTOR = 2048
FIRST_DESCRIPTOR = 16  # sectors before it belong to the system
DESCRIPTOR_DATES = slice(813, 881)  # creation, modification, expiration, effective: 17 bytes each (ECMA-119 8.4.26)
FIXED_DATE = bytes([126, 1, 1, 0, 0, 0, 0])  # 2026-01-01T00:00:00Z as in a directory record (ECMA-119 9.1.5)
FIXED_DESCRIPTOR_DATE = b"2026010100000000\x00"
NO_DATE = b"0" * 16 + b"\x00"


@dataclass(frozen=True)
class Seed:
    """A seed image and the name of its volume, which carries the image's hash."""

    volume: str
    iso: bytes

    def write(self, folder: Path) -> Path:
        """Puts the image into the folder, for the provider to upload."""
        path = folder / self.volume
        path.write_bytes(self.iso)
        return path


def make(vm: VmRecord, network: NetworkRecord, key: str) -> Seed:
    """The seed that tells the VM its host name, its address on the network, and the public key that may log in."""
    iso = image(documents(vm, network, key))
    return Seed(f"{vm.id}-seed-{hashlib.sha256(iso).hexdigest()[:12]}.iso", iso)


def documents(vm: VmRecord, network: NetworkRecord, key: str) -> dict[str, str]:
    """The files of the seed: name to text."""
    address = ip_interface(vm.address)
    length = ip_network(network.subnet).prefixlen
    return {
        "meta-data": f"instance-id: {_scalar(vm.id)}\nlocal-hostname: {_scalar(vm.id)}\n",
        "user-data": f"#cloud-config\nssh_authorized_keys:\n  - {_scalar(key)}\n",
        "network-config": (
            "version: 2\n"
            "ethernets:\n"
            "  nic0:\n"
            "    match:\n"
            f"      macaddress: {_scalar(vm.mac)}\n"
            f"    mtu: {network.mtu}\n"
            "    addresses:\n"
            f"      - {_scalar(f'{address.ip}/{length}')}\n"
            "    routes:\n"
            f"      - to: {_scalar('0.0.0.0/0' if address.version == 4 else '::/0')}\n"
            f"        via: {_scalar(network.gateway)}\n"
        ),
    }


def _scalar(text: str) -> str:
    """YAML's double-quoted form: a MAC of digits alone would be read as a number in base 60."""
    return json.dumps(text)


def image(files: dict[str, str]) -> bytes:
    """An ISO 9660 image labelled `cidata` with Rock Ridge and Joliet names, its dates fixed."""
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    for name, text in sorted(files.items()):
        data = text.encode()
        short = name.upper().replace("-", "")[:8]
        iso.add_fp(io.BytesIO(data), len(data), f"/{short}.;1", rr_name=name, joliet_path=f"/{name}")
    for tree in ({"iso_path": "/"}, {"joliet_path": "/"}):
        for record in (iso.get_record(**tree), *iso.list_children(**tree)):
            _fix_dates(record)
    out = io.BytesIO()
    iso.write_fp(out)
    iso.close()
    return _with_fixed_descriptors(bytearray(out.getvalue()))


def _fix_dates(record: DirectoryRecord) -> None:
    record.date = _date()
    if record.rock_ridge is None:
        return
    for entries in (record.rock_ridge.dr_entries, record.rock_ridge.ce_entries):
        if entries is not None and entries.tf_record is not None:
            for field in ("creation_time", "access_time", "modification_time", "attribute_change_time"):
                if getattr(entries.tf_record, field) is not None:
                    setattr(entries.tf_record, field, _date())


def _date() -> DirectoryRecordDate:
    date = DirectoryRecordDate()
    date.parse(FIXED_DATE)
    return date


def _with_fixed_descriptors(data: bytearray) -> bytes:
    """The volume descriptors say when they were written, whatever they are told: overwrite that."""
    dates = FIXED_DESCRIPTOR_DATE * 2 + NO_DATE + FIXED_DESCRIPTOR_DATE
    for start in range(FIRST_DESCRIPTOR * SECTOR, len(data), SECTOR):
        kind = data[start]
        if kind == 255:
            break
        if kind in {1, 2}:
            data[start + DESCRIPTOR_DATES.start : start + DESCRIPTOR_DATES.stop] = dates
    return bytes(data)
