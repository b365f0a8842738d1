"""Hosts and gateways of the laboratory as others reach them: by ssh, over the underlay, after power cuts."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import paramiko
import pytest

import lab
from lab import LabUnavailable, forwarding, processes, state
from layout import connections, uplinks

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("lab")]

HOSTS = ("lab01", "lab02", "bk01")
GATEWAYS = ("gw-lab", "gw-backup")
KILLS = 8


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Two hosts and a backup host on another site, without guests."""
    folder = tmp_path_factory.mktemp("laboratory") / "state"
    try:
        yield lab.up(folder, hosts=2, backup_hosts=1)
    finally:
        lab.down(folder)


def ssh(running, name, command, timeout=60):
    config = running.state_dir / "ssh" / "config"
    return subprocess.run(
        ["ssh", "-F", str(config), name, command],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip


def said(running, name, command):
    done = ssh(running, name, command)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", [*HOSTS, *GATEWAYS])
def test_ssh_reaches_a_host_or_gateway_under_its_own_name(running, name):
    assert said(running, name, "hostname") == f"{name}\n"
    assert ssh(running, name, "exit 7").returncode == 7
    assert lab.execute(running.state_dir, name, ["hostname"]).stdout == f"{name}\n"


@pytest.mark.parametrize("name", ["lab02", "gw-backup"])
def test_paramiko_accepts_no_other_host_key_and_reaches_it(running, name):
    way = json.loads((running.state_dir / "ssh.json").read_text())[name]
    with paramiko.SSHClient() as client:
        client.load_host_keys(way["known_hosts"])
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        client.connect(
            way["address"], way["port"], way["user"], key_filename=way["key_file"], allow_agent=False,
            look_for_keys=False,
        )  # fmt: skip
        _, output, _ = client.exec_command("hostname; cat /etc/hostname")
        assert output.read().decode() == f"{name}\n{name}\n"
    with paramiko.SSHClient() as stranger, pytest.raises(paramiko.SSHException, match="not found in known_hosts"):
        stranger.connect(way["address"], way["port"], way["user"], key_filename=way["key_file"])
    keys = {line.split()[2] for line in Path(way["known_hosts"]).read_text().splitlines()}
    assert len(keys) == len(HOSTS) + len(GATEWAYS)


@pytest.mark.parametrize("host", HOSTS)
def test_libvirt_is_reached_as_virsh_does_and_as_the_provider_does(running, host, tmp_path):
    way = connections.parse(host, connections.read_uris(running.uris_file)[host])
    named = ["virsh", "--quiet", "--connect", way.virsh_uri, "hostname"]
    done = subprocess.run(named, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, host), done.stderr
    # The provider opens a stream to the socket on the host.
    local = tmp_path / "s"
    config = running.state_dir / "ssh" / "config"
    forward = ["ssh", "-F", str(config), "-o", "ExitOnForwardFailure=yes", "-N", "-L"]
    tunnel = subprocess.Popen([*forward, f"{local}:/var/run/libvirt/libvirt-sock", host])
    try:
        limit = time.monotonic() + 20
        while not local.exists() and time.monotonic() < limit:
            time.sleep(0.05)
        command = ["virsh", "--quiet", "--connect", f"qemu+unix:///system?socket={local}", "hostname"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout.strip()) == (0, host), done.stderr
    finally:
        tunnel.terminate()
        tunnel.wait()


def test_hosts_reach_each_other_by_name_and_each_others_libvirt(running):
    for name in (*HOSTS, *GATEWAYS):
        assert said(running, "lab01", f"ssh {name} hostname") == f"{name}\n"
    assert said(running, "lab01", "virsh -q -c qemu+ssh://lab02/system hostname").strip() == "lab02"
    assert said(running, "bk01", "virsh -q -c qemu+ssh://lab01/system hostname").strip() == "lab01"


def test_the_file_of_uplinks_says_what_the_hosts_have(running):
    wires = uplinks.read_uplinks(running.state_dir / "uplinks.json")
    assert set(wires.hosts) == set(HOSTS)
    assert set(wires.gateways) == {"lab", "backup"}
    for name, uplink in [*wires.hosts.items(), *((f"gw-{site}", each) for site, each in wires.gateways.items())]:
        (link,) = json.loads(said(running, name, f"ip -json address show dev {uplink.device}"))
        assert [each["local"] for each in link["addr_info"]] == [uplink.address]
        assert link["mtu"] == uplink.mtu == 1600


def test_a_site_shares_a_folder_and_the_other_site_does_not_see_it(running):
    said(running, "lab01", "echo one >/srv/shared/file; echo own >/srv/file")
    assert said(running, "lab02", "cat /srv/shared/file; ls /srv") == "one\nshared\n"
    assert said(running, "bk01", "ls -A /srv/shared") == ""


def test_settings_of_a_host_are_its_own_and_those_of_the_machine_are_safe(running):
    said(running, "lab01", "echo x >/etc/kumiai/file; echo x >/etc/systemd/system/x.service; echo x >~/file")
    assert said(running, "lab02", "ls -A /etc/kumiai /etc/systemd/system ~").split() == [
        "/etc/kumiai:", "/etc/systemd/system:", "/var/lib/kumiai-lab/root:",
    ]  # fmt: skip
    assert not Path("/etc/systemd/system/x.service").exists()
    refused = ssh(running, "lab01", "echo x >/etc/alternatives/kumiai-lab-was-here")
    assert refused.returncode != 0
    assert "Read-only" in refused.stderr


def test_a_host_without_power_is_gone_and_comes_back_as_it_was(running):
    folder = running.state_dir
    said(running, "lab02", "virsh -q pool-define-as default dir --target /var/lib/libvirt/images && "
         "virsh -q pool-start default && virsh -q pool-autostart default && "
         "virsh -q vol-create-as default kept 1M && "
         "printf 'echo \"$1\" >/run/network-was-restored' >/etc/kumiai/network.sh && touch /run/gone")  # fmt: skip
    # From now on lab01 takes it for certain, for up to 45 s, under which MAC lab02 is found.
    assert said(running, "lab01", "ssh lab02 hostname") == "lab02\n"
    mac = said(running, "lab02", "cat /sys/class/net/up0/address")
    lab.power_off(folder, "lab02")
    assert ssh(running, "lab02", "true").returncode == 255
    assert not forwarding.answers(running.ssh["lab02"].port)
    assert said(running, "lab01", "hostname") == "lab01\n"
    seen = lab.status(folder)
    assert not seen.up
    assert [(each.id, each.alive, each.ssh_answers) for each in seen.hosts] == [
        ("lab01", True, True), ("lab02", False, False), ("bk01", True, True),
    ]  # fmt: skip
    with pytest.raises(LabUnavailable, match="lab02 は動いていません"):
        lab.execute(folder, "lab02", ["true"])

    again = lab.power_on(folder)
    assert (again.uris, again.ssh) == (running.uris, running.ssh)
    assert lab.status(folder).up
    assert said(running, "lab02", "cat /sys/class/net/up0/address") == mac
    assert said(running, "lab02", "ls /run/gone 2>&1; cat /run/network-was-restored").split()[-1] == "apply"
    assert "kept" in said(running, "lab02", "virsh -q vol-list default")
    assert said(running, "lab01", "ssh lab02 hostname") == "lab02\n"
    said(running, "lab02", "rm /etc/kumiai/network.sh")


def test_up_starts_again_what_died(running):
    folder = running.state_dir
    record = state.load(state.places(folder))
    forwarder = next(each for each in record.forwarders if each.name == "gw-lab")
    assert processes.end([forwarder.process]) == []
    lab.execute(folder, "bk01", ["sh", "-c", "kill -9 $(cat /run/sshd.pid) $(cat /run/libvirtd.pid)"])
    assert not lab.status(folder).up
    again = lab.up(folder, hosts=2, backup_hosts=1)
    assert again.already_up
    assert again.ssh == running.ssh
    assert lab.status(folder).up
    assert said(running, "gw-lab", "ssh bk01 hostname") == "bk01\n"


def links_and_mounts():
    links = sorted(each.name for each in Path("/sys/class/net").iterdir())
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return links, mounts


def test_down_leaves_nothing_after_an_up_that_was_killed_at_a_random_moment(tmp_path):
    folder = tmp_path / "state"
    before = links_and_mounts()
    command = [
        sys.executable,
        "-m",
        "kumiai",
        "lab",
        "up",
        "--hosts",
        "2",
        "--backup-hosts",
        "1",
        "--state",
        str(folder),
    ]
    started = time.monotonic()
    subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, timeout=300, check=True)
    whole_s = time.monotonic() - started
    lab.down(folder)
    moments = random.Random(20270401)  # noqa: S311 - moments, no secret
    for number in range(KILLS):
        process = subprocess.Popen(
            command, cwd=Path(__file__).parents[2], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(whole_s * (number + moments.random()) / KILLS)
        process.send_signal(signal.SIGKILL)
        process.wait()
        lab.down(folder)
        assert processes.marked(state.MARK, str(folder)) == []
        assert links_and_mounts() == before
        assert not folder.exists()
        assert not state.places(folder).run.exists()
