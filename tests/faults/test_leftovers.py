"""What may be removed after a dead run, and what never: rules on a host that answers from a table."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import pytest

from infra.observing.virsh import Hosts, SilentHostError
from infra.recovery import intent, leftovers, recovery
from infra.recovery.checkpoint import Thing
from infra.recovery.intent import Intent
from infra.recovery.leftovers import LeftoverError
from tests.infra import plans

MAC = "52:54:00:00:00:01"
DOMAIN = Thing("kvm01", "domain", "", "a-01")
DATA = Thing("kvm01", "volume", "default", "a-01-data")
IMAGE = Thing("kvm01", "volume", "default", "guest.qcow2")
WHOLE = b"all of the image"
BYTES = len(WHOLE)
GIB = 2**30


def volume_xml(name, *, form="qcow2", capacity=GIB, physical=BYTES, backing=""):
    below = f"<backingStore><path>{backing}</path></backingStore>" if backing else ""
    return (
        f"<volume><capacity>{capacity}</capacity><physical>{physical}</physical>"
        f'<target><path>/pool/{name}</path><format type="{form}"/></target>{below}</volume>'
    )


@dataclass(frozen=True)
class Table(Hosts):
    """Answers by command; what it was asked to change is in `did`."""

    answers: dict = field(default_factory=dict)
    content: bytes = WHOLE
    did: list = field(default_factory=list)

    def virsh(self, host, *words):
        command = " ".join(words)
        if command in self.answers:
            return self.answers[command]
        self.did.append(command)
        return ""

    def ask(self, host, commands):
        return {command: self.answers.get(command, "") for command in commands}

    def digest(self, host, pool, volume):
        return hashlib.sha256(self.content).hexdigest()

    @property
    def changed(self):
        return [command for command in self.did if not command.startswith("pool-refresh")]


ASKED = Table.virsh


def table(content=WHOLE, **more):
    answers = {
        "dumpxml --inactive a-01": f"<domain><devices><interface><mac address='{MAC}'/></interface></devices></domain>",
        "domstate a-01": "paused\n",
        "pool-list --name": "default\n",
        "list --all --name": "",
        **{name.replace("__", " "): text for name, text in more.items()},
    }
    return Table({"kvm01": "qemu:///system"}, answers, content)


def with_volume(thing, text, *, content=WHOLE, others=(), domains=()):
    hosts = table(content)
    hosts.answers[f"vol-dumpxml {thing.name} --pool default"] = text
    hosts.answers["vol-list default"] = "".join(f" {name}  /pool/{name}\n" for name in (thing.name, *dict(others)))
    hosts.answers.update({f"vol-dumpxml {name} --pool default": xml for name, xml in dict(others).items()})
    hosts.answers["list --all --name"] = "\n".join(dict(domains))
    hosts.answers.update({f"dumpxml {name}": xml for name, xml in dict(domains).items()})
    return hosts


def test_a_vm_that_libvirt_does_not_let_go_of_is_named_with_what_to_do(monkeypatch):
    """As after a libvirtd that died between fork and exec: every libvirtd after it holds the VM's lock."""
    monkeypatch.setattr(leftovers, "SHUTDOWN_S", 0.0)
    hosts = table(**{"domstate__a-01__--reason": "paused (starting up)\n"})

    def virsh(self, host, *words):
        if words[0] == "destroy":
            raise SilentHostError("kvm01：Timed out during operation: cannot acquire state change lock")
        return ASKED(self, host, *words)

    monkeypatch.setattr(Table, "virsh", virsh)
    with pytest.raises(LeftoverError) as caught:
        leftovers.remove_domains(hosts, [DOMAIN], {"a-01": MAC})
    assert "kvm01" in str(caught.value)
    assert "pgrep -f 'guest=a-01,' || rm /run/libvirt/qemu/a-01.xml" in str(caught.value)
    hosts.answers["domstate a-01 --reason"] = "paused (user)\n"
    with pytest.raises(SilentHostError):
        leftovers.remove_domains(hosts, [DOMAIN], {"a-01": MAC})


def test_a_half_made_vm_is_undefined_and_keeps_its_disks():
    hosts = table()
    assert leftovers.remove_domains(hosts, [DOMAIN], {"a-01": MAC.upper()}) == (DOMAIN,)
    assert [command.split()[0] for command in hosts.changed] == ["destroy", "undefine"]
    assert not any("storage" in command for command in hosts.changed)


@pytest.mark.parametrize("macs", [{"a-01": "52:54:00:ff:ff:ff"}, {}])
def test_a_vm_with_another_mac_is_somebody_else_s(macs):
    hosts = table()
    assert leftovers.remove_domains(hosts, [DOMAIN], macs) == ()
    assert hosts.changed == []


def test_a_whole_copy_is_kept():
    hosts = with_volume(IMAGE, volume_xml("guest.qcow2"))
    leftovers.clear_copy(hosts, IMAGE, hashlib.sha256(WHOLE).hexdigest(), len(WHOLE), lambda _: None)
    assert hosts.changed == []


@pytest.mark.parametrize(("physical", "content"), [(3, WHOLE), (len(WHOLE), b"other bytes, alike")])
def test_half_a_copy_on_which_nothing_stands_goes(physical, content):
    hosts = with_volume(IMAGE, volume_xml("guest.qcow2", physical=physical), content=content)
    told = []
    leftovers.clear_copy(hosts, IMAGE, hashlib.sha256(WHOLE).hexdigest(), len(WHOLE), told.append)
    assert hosts.changed == ["vol-delete guest.qcow2 --pool default"]
    assert "途中までの複製" in told[0]


def on_volume(name):
    return f"<domain><devices><disk><source pool='default' volume='{name}'/></disk></devices></domain>"


@pytest.mark.parametrize(
    "users",
    [
        {"others": {"b-system": volume_xml("b-system", backing="/pool/guest.qcow2")}},
        {"domains": {"b": on_volume("guest.qcow2")}},
        {"domains": {"b": "<domain><devices><disk><source file='/pool/guest.qcow2'/></disk></devices></domain>"}},
    ],
)
def test_what_something_stands_on_is_never_touched(users):
    hosts = with_volume(IMAGE, volume_xml("guest.qcow2", physical=3), **users)
    with pytest.raises(LeftoverError, match=r"b.*使っているので触れません"):
        leftovers.clear_copy(hosts, IMAGE, "0" * 64, len(WHOLE), lambda _: None)
    assert hosts.changed == []


@pytest.mark.parametrize(
    ("text", "usable"),
    [
        (volume_xml("a-01-data"), True),
        (volume_xml("a-01-data", capacity=2 * GIB), True),
        (volume_xml("a-01-data", capacity=GIB - 1), False),
        (volume_xml("a-01-data", form="raw", capacity=0), False),
    ],
)
def test_a_data_volume_is_kept_whatever_it_holds(text, usable):
    hosts = with_volume(DATA, text)
    if usable:
        leftovers.require_data(hosts, DATA, 1.0)
    else:
        with pytest.raises(LeftoverError, match="データのボリュームは消しません"):
            leftovers.require_data(hosts, DATA, 1.0)
    assert hosts.changed == []


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        (volume_xml("s", backing="/pool/guest.qcow2"), True),
        (volume_xml("s", backing=""), False),
        (volume_xml("s", form="raw", backing="/pool/guest.qcow2"), False),
    ],
)
def test_a_system_volume_of_another_shape_goes(text, whole):
    thing = Thing("kvm01", "volume", "default", "s")
    hosts = with_volume(thing, text)
    leftovers.clear_system(hosts, thing, 1.0, "guest.qcow2", lambda _: None)
    assert (hosts.changed == []) == whole


def test_a_stack_s_things_are_what_the_program_declares(tmp_path):
    plan = plans.write(tmp_path / "plan", tenants=1)
    vm = plan.layout.vms[0]
    found = recovery.things("t00", plan.layout)
    assert {thing.name for thing in found if thing.host == vm.host and thing.name.startswith(vm.id)} == {
        vm.id, f"{vm.id}-system", f"{vm.id}-data", f"{vm.id}-seed-*",
    }  # fmt: skip
    hosts = recovery.things("hosts-dc", plan.layout)
    assert {(thing.kind, thing.name) for thing in hosts if thing.host == "kvm01"} == {
        ("pool", "default"), ("volume", "guest.qcow2"),
        *(("network", network.id) for network in plan.layout.networks),
    }  # fmt: skip


def test_an_intent_is_read_as_it_was_written_and_half_of_one_proves_nothing(tmp_path):
    said = Intent("t00", "abc", 3, frozenset({DOMAIN, DATA}), {"a-01": MAC})
    intent.write(tmp_path, said, "sato")
    assert intent.read(tmp_path, "t00") == said
    assert recovery.unfinished(tmp_path) == {DOMAIN, DATA}
    whole = intent.path(tmp_path, "t00").read_text()
    assert '"operator": "sato"' in whole
    intent.path(tmp_path, "t00").write_text(whole[:-20])
    assert intent.read(tmp_path, "t00") is None
    intent.close(tmp_path, "t00")
    assert recovery.unfinished(tmp_path) == frozenset()
