"""The files of URIs and logins: what is right in them is read, and places of mistakes are told."""

from __future__ import annotations

import json

import pytest

from layout import FolderError, connections

SSH = "qemu+ssh://ops@kvm01:2222/system?keyfile=/home/%E8%A8%88%E7%94%BB/key&knownhosts=/etc/kumiai/known"


def test_what_is_right_is_read(tmp_path):
    path = tmp_path / "uris.json"
    given = {
        "kvm01": SSH,
        "kvm02": "qemu+unix:///system?socket=/run/libvirt-sock",
        "kvm03": "qemu+ssh://[2001:db8::1]/system",
    }
    path.write_text(json.dumps(given))
    assert connections.read_uris(path) == given
    found = connections.parse("kvm01", SSH)
    assert (found.user, found.address, found.port) == ("ops", "kvm01", 2222)
    assert found.key_file == "/home/計画/key"
    assert connections.parse("kvm03", given["kvm03"]).address == "2001:db8::1"


def test_logins_are_read_and_none_without_the_file(tmp_path):
    path = tmp_path / "ssh.json"
    assert connections.read_logins(path) == {}
    path.write_text(json.dumps({"gw-dc": {"address": "192.0.2.1", "port": 22, "user": "ops"}}))
    (found,) = connections.read_logins(path).values()
    assert (found.host, found.address, found.port, found.user, found.key_file) == ("gw-dc", "192.0.2.1", 22, "ops", "")


def test_the_line_and_the_number_of_mistakes_are_told(tmp_path):
    path = tmp_path / "uris.json"
    path.write_text('{\n "kvm01": "qemu:///system",\n "kvm02": "gopher://x/system",\n "kvm;03": "qemu:///other"\n}')
    with pytest.raises(FolderError) as caught:
        connections.read_uris(path)
    assert caught.value.message.startswith(f"{path}:3:11: ホスト「kvm02」の URI")
    assert caught.value.message.endswith("（ほか 1 件）")


@pytest.mark.parametrize(
    "uri", ["qemu+ssh://a@h:port/system", "qemu+ssh:///system", "qemu+ssh://a@-h/system", "x" * 600]
)
def test_uris_that_say_nothing(uri):
    with pytest.raises(FolderError):
        connections.parse("kvm01", uri)
