"""Base images by their bytes: read once for one file, and compared with plan and record; no host is asked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace

import pytest

from infra.inspection import image_bytes
from infra.inspection.image_bytes import Copy, Memory
from infra.inspection.standing import Standing
from infra.observing.observed import HostObservation, Pool, Volume
from infra.observing.virsh import SilentHostError
from layout.records import ImageRecord
from tests.infra import plans

RIGHT = hashlib.sha256(b"right").hexdigest()
VOLUME = Volume("guest.qcow2", "/pool/guest.qcow2", 100, 60, written="1790000000.5")
COPY = Copy("kvm01", "dc", "default", "guest", VOLUME)


@dataclass
class Hosts:
    """Hosts whose volumes hold these bytes; None: the host is silent."""

    content: dict[str, bytes | None]
    read: list[str] = field(default_factory=list)

    def digest(self, host, pool, volume):
        self.read.append(f"{host}/{pool}/{volume}")
        content = self.content[host]
        if content is None:
            raise SilentHostError(host)
        return hashlib.sha256(content).hexdigest()


def test_a_copy_is_read_once_and_again_when_its_file_was_written(tmp_path):
    memory, hosts, told = Memory(tmp_path / "bytes.json"), Hosts({"kvm01": b"right"}), []
    for _ in range(2):
        assert image_bytes.digests([COPY], hosts, memory, told.append) == {COPY: RIGHT}
    assert hosts.read == ["kvm01/default/guest.qcow2"]
    assert len(told) == 1
    touched = replace(COPY, volume=replace(VOLUME, written="1790000001.0"))
    hosts.content["kvm01"] = b"wrong"
    assert image_bytes.digests([touched], hosts, memory)[touched] != RIGHT
    assert len(hosts.read) == 2


def test_without_a_memory_or_a_time_everything_is_read(tmp_path):
    hosts = Hosts({"kvm01": b"right"})
    for _ in range(2):
        image_bytes.digests([COPY], hosts)
    timeless = replace(COPY, volume=replace(VOLUME, written=""))
    for _ in range(2):
        image_bytes.digests([timeless], hosts, Memory(tmp_path / "bytes.json"))
    assert len(hosts.read) == 4


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"kvm01/default/guest.qcow2": 1}', "\0"])
def test_a_torn_memory_is_none(tmp_path, torn):
    memory, hosts = Memory(tmp_path / "bytes.json"), Hosts({"kvm01": b"right"})
    memory.path.write_text(torn)
    assert image_bytes.digests([COPY], hosts, memory) == {COPY: RIGHT}
    assert json.loads(memory.path.read_text())["kvm01/default/guest.qcow2"]["sha256"] == RIGHT


def test_a_host_that_falls_silent_is_asked_again_next_time(tmp_path):
    memory, hosts = Memory(tmp_path / "bytes.json"), Hosts({"kvm01": None})
    assert image_bytes.digests([COPY], hosts, memory) == {COPY: ""}
    hosts.content["kvm01"] = b"right"
    assert image_bytes.digests([COPY], hosts, memory) == {COPY: RIGHT}


def layout_of(tmp_path, digest=""):
    layout = plans.write(tmp_path / "plan", tenants=1).layout
    return layout.model_copy(update={"images": (ImageRecord(id="guest", digest=digest),)})


@pytest.mark.parametrize(("digest", "recorded"), [(f"sha256:{RIGHT}", None), ("", RIGHT), (RIGHT, "0" * 64)])
def test_the_plan_decides_and_else_the_record(tmp_path, digest, recorded):
    layout = layout_of(tmp_path, digest)
    outputs = {} if recorded is None else {"hosts-dc": {"images": {"guest": recorded}}}
    standing = Standing((), outputs)
    assert image_bytes.differences({COPY: RIGHT}, layout, standing) == ()
    (wrong,) = image_bytes.differences({COPY: "f" * 64}, layout, standing)
    assert (wrong.kind, wrong.host) == ("image", "kvm01")
    assert RIGHT[:12] in wrong.wanted
    assert "restore-vm" in wrong.line
    (silent,) = image_bytes.differences({COPY: ""}, layout, standing)
    assert silent.found == "読めません"


def test_an_image_that_nobody_has_a_digest_of_is_no_difference(tmp_path):
    assert image_bytes.differences({COPY: "f" * 64}, layout_of(tmp_path), Standing((), {})) == ()


def test_copies_are_those_that_hosts_have(tmp_path):
    layout = layout_of(tmp_path)
    pool = Pool("default", "u", active=True, path="/pool", volumes=(VOLUME,))
    there = HostObservation("kvm01", "", "", 1024, (), (pool,), {})
    found = image_bytes.copies(layout, layout.hosts, {"kvm01": there, "kvm02": replace(there, pools=())})
    assert [each.key for each in found] == ["kvm01/default/guest.qcow2"]
