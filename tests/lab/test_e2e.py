"""The laboratory with real libvirtd processes and booted guests; needs root, Linux and lab/debian-packages.txt."""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pycdlib
import pytest

import lab
from lab import LabUnavailable, image, packages, processes, state

pytestmark = pytest.mark.e2e

SUBNET = "10.21.1.0/24"
ADDRESS = "10.21.1.11"  # of one guest on each network: the networks must not meet
READY_DEADLINE_S = 90
LAYOUT = {
    "format_version": "1.0",
    "hosts": [
        {"id": "kvm01", "site": "main", "pools": [{"name": "default", "path": "/var/lib/libvirt/images"}]},
        {"id": "kvm02", "site": "main", "pools": [{"name": "default", "path": "/srv/pool"}]},
    ],
    "networks": [
        {"id": "hita-lgwan", "site": "main", "bridge": "br-hita", "subnet": SUBNET, "gateway": "10.21.1.1"},
        {"id": "usuki-lgwan", "site": "main", "bridge": "br-usuki", "subnet": SUBNET, "mtu": 1450},
    ],
    "images": [{"id": "debian-12", "digest": ""}],
    "vms": [{"id": "hita-ap-01", "network": "hita-lgwan", "address": ADDRESS}],
}


@dataclass(frozen=True)
class Machine:
    """What of the machine itself a laboratory must leave as it was."""

    links: tuple[str, ...]
    mounts: tuple[str, ...]
    sockets: bool


def machine(folder):
    """As it is now; of the folders below /run only the one of this laboratory, others may run beside it."""
    links = tuple(sorted(each.name for each in Path("/sys/class/net").iterdir()))
    mounts = tuple(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return Machine(links, mounts, state.places(folder).run.exists())


def namespaces(pid):
    return {str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for kind in ("mnt", "net", "pid", "uts")}


def inhabitants(of):
    """Processes of the machine that live in one of these namespaces or look at the laboratory's run folder."""
    found = []
    for pid in processes.running():
        try:
            inside = namespaces(pid) & of
        except OSError:  # a zombie has no namespaces left; another process ended meanwhile
            continue
        if inside:
            found.append(pid)
    return found


@contextmanager
def namespaces_of(folder):
    """The namespaces of the laboratory. They are held open: the kernel gives a name that is free to the next ones."""
    record = state.load(state.places(folder))
    kinds = [
        f"/proc/{each.holder.pid}/ns/{kind}" for each in record.namespaces for kind in ("mnt", "net", "pid", "uts")
    ]
    with ExitStack() as held:
        for kind in kinds:
            held.enter_context(Path(kind).open("rb"))
        ours = set().union(*(namespaces(each.holder.pid) for each in record.namespaces))
        yield ours - namespaces(os.getpid())


def plan_folder(folder, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "layout.json").write_text(json.dumps(LAYOUT | changes), encoding="utf-8")
    return folder


def virsh(running, host, *arguments):
    command = ["virsh", "--quiet", "--connect", running.local_uris[host], *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, (arguments, done.stderr)
    return done.stdout


def write_seed(path, name, mac):
    documents = {
        "meta-data": f"instance-id: {name}-1\nlocal-hostname: {name}\n",
        "user-data": "#cloud-config\n",
        "network-config": (
            f'version: 2\nethernets:\n  eth0:\n    match: {{macaddress: "{mac}"}}\n'
            f"    addresses: [{ADDRESS}/24]\n    gateway4: 10.21.1.1\n"
        ),
    }
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    for file, text in documents.items():
        data = text.encode()
        short = file.upper().replace("-", "")[:8]
        iso.add_fp(io.BytesIO(data), len(data), f"/{short}.;1", rr_name=file, joliet_path=f"/{file}")
    iso.write(str(path))
    iso.close()


def boot(running, host, name, bridge, mac, *, folder):
    """Creates and starts a guest as a deployment does: base volume, root volume upon it, seed volume, domain."""
    pool = next(each["pools"][0]["path"] for each in LAYOUT["hosts"] if each["id"] == host)
    base = running.images["debian-12"].path
    seed = folder / f"{name}.iso"
    write_seed(seed, name, mac)
    virsh(running, host, "pool-create-as", "default", "dir", "--target", pool)
    for volume, source, kind in (("debian-12", base, "qcow2"), ("seed", seed, "raw")):
        virsh(running, host, "vol-create-as", "default", volume, str(source.stat().st_size), "--format", kind)
        virsh(running, host, "vol-upload", "--pool", "default", volume, str(source))
    virsh(running, host, "vol-create-as", "default", "data", "16M", "--format", "qcow2")
    backing = ["--backing-vol", "debian-12", "--backing-vol-format", "qcow2"]
    virsh(running, host, "vol-create-as", "default", "root", "2G", "--format", "qcow2", *backing)
    domain = folder / f"{name}.xml"
    domain.write_text(f"""
        <domain type='qemu'><name>{name}</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>
        <os><type arch='x86_64'>hvm</type></os><features><acpi/></features><devices>
        <disk type='volume'><driver name='qemu' type='qcow2'/><source pool='default' volume='root'/>
        <target dev='vda' bus='virtio'/></disk>
        <disk type='volume'><driver name='qemu' type='raw'/><source pool='default' volume='seed'/>
        <target dev='vdb' bus='virtio'/></disk>
        <disk type='volume'><driver name='qemu' type='qcow2'/><source pool='default' volume='data'/>
        <target dev='vdc' bus='virtio'/></disk>
        <interface type='bridge'><mac address='{mac}'/><source bridge='{bridge}'/><model type='virtio'/></interface>
        <serial type='file'><source path='/var/log/libvirt/{name}.serial'/></serial>
        </devices></domain>""")
    virsh(running, host, "define", str(domain))
    virsh(running, host, "start", name)


def wait_for(what, deadline_s):
    limit = time.monotonic() + deadline_s
    while True:
        answer = what()
        if answer or time.monotonic() > limit:
            return answer
        time.sleep(0.5)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Two hosts, two networks with the same subnet, and a guest with the same address on each."""
    folder = tmp_path_factory.mktemp("laboratory")
    up = lab.up(folder / "state", plan=plan_folder(folder / "plan"), bridges=True)
    try:
        boot(up, "kvm01", "hita-ap-01", "br-hita", "52:54:00:00:00:11", folder=folder)
        boot(up, "kvm02", "usuki-ap-01", "br-usuki", "52:54:00:00:00:12", folder=folder)
        yield up
    finally:
        lab.down(folder / "state")


@pytest.mark.parametrize(
    ("host", "name", "network"), [("kvm01", "hita-ap-01", "hita-lgwan"), ("kvm02", "usuki-ap-01", "usuki-lgwan")]
)
def test_a_guest_takes_name_and_address_from_its_seed(running, host, name, network):
    seen = wait_for(
        lambda: (p := lab.probe(running.state_dir, network, ADDRESS, deadline_s=1)).answer and p, READY_DEADLINE_S
    )
    assert seen, "the guest does not answer on its network"
    assert seen.answer == name
    assert lab.probe(running.state_dir, network, ADDRESS).reachable
    serial = lab.execute(running.state_dir, host, ["cat", f"/var/log/libvirt/{name}.serial"]).stdout
    assert f"kumiai-guest {name} {ADDRESS}/24 ready" in serial
    (listed,) = (each for each in lab.status(running.state_dir).hosts if each.id == host)
    assert listed.guests == (lab.Guest(name, "running"),)


def test_a_guest_counts_on_its_data_volume_and_goes_on_after_a_power_cut(running):
    folder, name = running.state_dir, "hita-ap-01"
    first = wait_for(lambda: lab.counter(folder, name), READY_DEADLINE_S)
    assert first
    assert wait_for(lambda: (lab.counter(folder, name) or 0) > first, 20)
    told = lab.counter(folder, name)
    assert lab.volume_counter(folder, "kvm01", name) >= told
    virsh(running, "kvm01", "destroy", name)
    stopped = lab.volume_counter(folder, "kvm01", name)
    assert stopped >= told
    assert lab.counter(folder, name) is None
    virsh(running, "kvm01", "start", name)
    assert wait_for(lambda: lab.counter(folder, name), READY_DEADLINE_S) > stopped
    size = lab.probe(folder, "hita-lgwan", ADDRESS, port=82).answer.splitlines()
    assert {"vcpu 1", f"data_bytes {16 * 2**20}"} <= set(size)
    with pytest.raises(LabUnavailable, match="kvm02 に仮想サーバ hita-ap-01 がありません"):
        lab.volume_counter(folder, "kvm02", name)


def test_hosts_have_their_own_name_links_and_uuid(running):
    assert lab.execute(running.state_dir, "kvm02", ["hostname"]).stdout == "kvm02\n"
    links = set(lab.execute(running.state_dir, "kvm01", ["ls", "/sys/class/net"]).stdout.split())
    (tap,) = (each for each in links if each.startswith("vnet"))
    assert links == {"lo", "br-hita", "br-usuki", "up0", "cable0", "cable1", tap}
    uuids = {virsh(running, host, "capabilities").split("<uuid>")[1].split("<")[0] for host in running.uris}
    assert len({uuid.UUID(each) for each in uuids}) == 2
    assert json.loads(running.uris_file.read_text()) == running.uris
    assert lab.execute(running.state_dir, "kvm01", ["sh", "-c", "exit 7"]).returncode == 7


def test_networks_with_the_same_subnet_do_not_meet(running):
    # Each endpoint reaches the guest of its own network only, though the other one has the same address.
    record = state.load(state.places(running.state_dir))
    answers = {}
    for network in ("hita-lgwan", "usuki-lgwan"):
        arping = ["busybox", "arping", "-c", "3", "-w", "3", "-I", "eth0", ADDRESS]
        output = lab.network.run_on(record, network, arping).stdout.lower()
        answers[network] = {mac for mac in ("52:54:00:00:00:11", "52:54:00:00:00:12") if mac in output}
    assert answers == {"hita-lgwan": {"52:54:00:00:00:11"}, "usuki-lgwan": {"52:54:00:00:00:12"}}
    assert not lab.probe(running.state_dir, "hita-lgwan", "10.21.1.12", deadline_s=1).reachable


def test_up_again_says_that_it_is_up_and_another_plan_is_refused(running, tmp_path):
    again = lab.up(running.state_dir, plan=plan_folder(tmp_path / "same"), bridges=True)
    assert again.already_up
    assert again.uris == running.uris
    with pytest.raises(LabUnavailable, match="別の構成"):
        lab.up(running.state_dir, hosts=2)
    with pytest.raises(LabUnavailable, match="ネットワーク x は検証環境にありません"):
        lab.probe(running.state_dir, "x", ADDRESS)
    with pytest.raises(LabUnavailable, match="ホスト x は検証環境にありません"):
        lab.execute(running.state_dir, "x", ["true"])


def test_guests_outlive_their_libvirtd_and_up_starts_it_again(running, tmp_path):
    daemon = int((state.places(running.state_dir).host_run("kvm01") / "libvirtd.pid").read_text())
    lab.execute(running.state_dir, "kvm01", ["kill", "-9", str(daemon)])
    broken = lab.status(running.state_dir)
    assert not broken.up
    assert [(each.alive, each.answers) for each in broken.hosts] == [(True, False), (True, True)]
    assert lab.probe(running.state_dir, "hita-lgwan", ADDRESS).answer == "hita-ap-01"
    lab.up(running.state_dir, plan=plan_folder(tmp_path / "same"), bridges=True)
    mended = lab.status(running.state_dir)
    assert mended.up
    assert mended.hosts[0].guests == (lab.Guest("hita-ap-01", "running"),)


def test_a_guest_obeys_the_power_button(running):
    virsh(running, "kvm02", "shutdown", "usuki-ap-01")
    off = wait_for(lambda: lab.status(running.state_dir).hosts[1].guests[0].state == "shut off", 20)
    assert off


def test_power_comes_back_before_the_kernel_has_removed_the_cables(running):
    """It removes them with their namespace, when it comes to it; whoever holds that open puts it off."""
    with namespaces_of(running.state_dir):
        lab.power_off(running.state_dir, "kvm02")
        lab.power_on(running.state_dir)
        assert lab.status(running.state_dir).up
    links = lab.execute(running.state_dir, "kvm02", ["ls", "/sys/class/net"]).stdout.split()
    assert {"up0", "br-hita", "br-usuki", "cable0", "cable1"} <= set(links)


def test_down_leaves_nothing_and_may_be_called_twice(tmp_path):
    before = machine(tmp_path / "state")
    up = lab.up(tmp_path / "state", plan=plan_folder(tmp_path / "plan"), bridges=True)
    boot(up, "kvm01", "hita-ap-01", "br-hita", "52:54:00:00:00:11", folder=tmp_path)
    # A network of libvirt's own brings a dnsmasq and packet filter rules along.
    network = tmp_path / "nat.xml"
    network.write_text("<network><name>nat</name><forward mode='nat'/><ip address='10.99.0.1' prefix='24'><dhcp>"
                       "<range start='10.99.0.2' end='10.99.0.9'/></dhcp></ip></network>")  # fmt: skip
    virsh(up, "kvm02", "net-create", str(network))
    with namespaces_of(tmp_path / "state") as ours:
        names = {processes.name_of(pid) for pid in inhabitants(ours)}
        assert len(ours) == 16  # of two hosts, a gateway and the switch
        assert {"libvirtd", "qemu-system-x86", "dnsmasq", "sshd"} <= names
        assert machine(tmp_path / "state").sockets

        assert lab.down(tmp_path / "state") is True
        assert inhabitants(ours) == []
    assert machine(tmp_path / "state") == before
    assert not (tmp_path / "state").exists()
    assert lab.down(tmp_path / "state") is False


def test_a_failed_up_leaves_nothing(tmp_path):
    before = machine(tmp_path / "state")
    bad = [LAYOUT["networks"][0] | {"mtu": 20}]  # the kernel refuses it after the hosts have started
    with pytest.raises(LabUnavailable, match="ネットワークを作成できません"):
        lab.up(tmp_path / "state", plan=plan_folder(tmp_path / "plan", networks=bad), bridges=True)
    assert machine(tmp_path / "state") == before
    assert not (tmp_path / "state").exists()
    assert processes.marked(state.MARK, str(tmp_path / "state")) == []


@pytest.mark.parametrize("stage", ["イメージ", "ホスト", "ネットワーク", "libvirtd"])
def test_down_works_after_an_up_that_was_killed(tmp_path, stage):
    before = machine(tmp_path / "state")
    plan = plan_folder(tmp_path / "plan")
    script = (
        "import os, signal, sys, lab; from pathlib import Path\n"
        "def progress(text):\n"
        f"    if {stage!r} in text: os.kill(os.getpid(), signal.SIGKILL)\n"
        "lab.up(Path(sys.argv[1]), plan=Path(sys.argv[2]), bridges=True, progress=progress)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "state"), str(plan)], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(LabUnavailable, match="kumiai lab down"):
        lab.up(tmp_path / "state", plan=plan, bridges=True)
    assert lab.down(tmp_path / "state") is True
    assert machine(tmp_path / "state") == before
    assert not (tmp_path / "state").exists()
    assert processes.marked(state.MARK, str(tmp_path / "state")) == []


def test_down_without_the_record_still_finds_the_processes(tmp_path):
    before = machine(tmp_path / "state")
    lab.up(tmp_path / "state", hosts=1)
    with namespaces_of(tmp_path / "state") as ours:
        assert inhabitants(ours) != []
        shutil.rmtree(tmp_path / "state")
        assert lab.down(tmp_path / "state") is True
        assert inhabitants(ours) == []
    assert machine(tmp_path / "state") == before


def test_up_keeps_off_a_folder_with_other_files(tmp_path):
    before = machine(tmp_path)
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(LabUnavailable, match="別のファイル"):
        lab.up(tmp_path, hosts=1)
    assert lab.down(tmp_path) is False
    assert (tmp_path / "letter.txt").read_text() == "mine"
    assert machine(tmp_path) == before


def test_equal_inputs_give_equal_images(tmp_path, monkeypatch):
    first = image.build(tmp_path / "first.qcow2")
    # A second cache that holds the kernel only: the image is made again, at another time and place.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (kernel,) = (Path.home() / ".cache/kumiai/lab").glob("kernel-*")
    shutil.copytree(kernel, packages.cache_folder() / kernel.name)
    second = image.build(tmp_path / "second.qcow2")
    assert first.sha256 == second.sha256 == hashlib.sha256((tmp_path / "second.qcow2").read_bytes()).hexdigest()
    assert first.path.stat().st_size < 24_000_000
