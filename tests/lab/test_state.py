import os
import subprocess
import sys

import pytest

import lab
from lab import LabUnavailable, requirements, state
from lab.host import Guest, parse_list
from lab.network import round_trip_ms
from lab.plan import HostPlan, LabPlan, NetworkPlan
from lab.processes import Process, end, identify, marked
from lab.state import Forwarder, Namespaces, Places, State

PLAN = LabPlan(
    (HostPlan("kvm01", ("/srv/a",)), HostPlan("kvm02")),
    (NetworkPlan("n", "br-n", 1500, "10.0.0.0/24", ("kvm01",), ("10.0.0.1",)),),
)


@pytest.fixture
def sleeper():
    process = subprocess.Popen(["sleep", "600"], env={"LAB_TEST_MARK": "here"})
    yield process
    process.kill()
    process.wait()


def test_a_record_is_read_back(tmp_path):
    where = Places(tmp_path / "lab")
    members = (Namespaces("kvm01", Process(11, 22), Process(33, 44)),)
    written = State(PLAN, members, (Forwarder("kvm01", 22001, Process(55, 66)),), {"guest": "ab"}, complete=True)
    state.save(where, written)
    assert state.load(where) == written


def test_after_a_restart_of_the_machine_no_process_of_the_record_counts(tmp_path, monkeypatch):
    where = Places(tmp_path)
    state.save(where, State(PLAN, (Namespaces("kvm01", Process(11, 22), Process(33, 44)),), complete=True))
    monkeypatch.setattr(state, "boot", lambda: "another")
    assert state.load(where) == State(PLAN)


@pytest.mark.parametrize("content", ["{", "{}", '{"plan": 1}'])
def test_a_damaged_record_names_the_way_out(tmp_path, content):
    where = Places(tmp_path)
    where.record.write_text(content)
    with pytest.raises(LabUnavailable, match="kumiai lab down"):
        state.load(where)


def test_uris_name_a_socket_below_run_however_deep_the_state_folder_lies(tmp_path):
    deep = Places(tmp_path.joinpath(*["deep"] * 40))
    uri = deep.uri("kvm01")
    assert uri.startswith("qemu+unix:///system?socket=/run/kumiai-lab-")
    assert uri.endswith("/kvm01/libvirt/libvirt-sock")
    assert len(os.fsencode(deep.socket("kvm01"))) <= 107
    assert deep.run != Places(tmp_path).run


def test_a_socket_path_beyond_the_limit_of_the_kernel_is_refused(tmp_path):
    with pytest.raises(LabUnavailable, match="107 バイト"):
        Places(tmp_path).socket("h" * 63)


def test_the_state_folder_comes_from_the_argument_then_the_environment_then_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUMIAI_LAB", raising=False)
    assert state.places().state_dir == tmp_path.resolve() / ".lab"
    monkeypatch.setenv("KUMIAI_LAB", str(tmp_path / "elsewhere"))
    assert state.places().state_dir == tmp_path.resolve() / "elsewhere"
    assert state.places(tmp_path / "mine").state_dir == tmp_path.resolve() / "mine"


def test_only_the_process_that_started_then_is_ended(sleeper):
    itself = identify(sleeper.pid)
    assert itself is not None
    assert end([Process(sleeper.pid, itself.started + 1)]) == []
    assert itself.alive()
    assert marked("LAB_TEST_MARK", "here") == [itself]
    assert end([itself]) == []
    assert not itself.alive()
    assert marked("LAB_TEST_MARK", "here") == []


def test_list_of_guests():
    output = " 1    hita-ap-01   running\n -    usuki-ap-01  shut off\n\n 12   hita-db-01   in shutdown\n"
    assert parse_list(output) == (
        Guest("hita-ap-01", "running"),
        Guest("hita-db-01", "in shutdown"),
        Guest("usuki-ap-01", "shut off"),
    )
    assert parse_list("\n") == ()


def test_round_trip():
    assert round_trip_ms("64 bytes from 10.0.0.5: seq=0 ttl=64 time=1.645 ms\n") == 1.645
    assert round_trip_ms("1 packets transmitted, 0 packets received, 100% packet loss\n") is None


@pytest.mark.parametrize(
    "call",
    [
        lambda folder: lab.up(folder, hosts=2),
        lambda folder: lab.up(folder, plan=folder),
        lab.status,
        lambda folder: lab.execute(folder, "kvm01", ["true"]),
        lambda folder: lab.probe(folder, "n", "10.0.0.1"),
    ],
)
def test_without_root_it_says_so(tmp_path, monkeypatch, call):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabUnavailable, match="root 権限"):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_elsewhere_than_on_linux_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(LabUnavailable, match="Linux でのみ"):
        lab.up(tmp_path, hosts=2)


def test_a_missing_program_is_named_with_the_list_of_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(requirements, "PROGRAMS", ("sh", "no-such-program"))
    with pytest.raises(LabUnavailable, match=r"ありません：no-such-program.*debian-packages\.txt"):
        lab.up(tmp_path, hosts=2)


@pytest.mark.parametrize("arguments", [{}, {"hosts": 2, "plan": "x"}])
def test_hosts_or_plan_but_not_both(tmp_path, arguments):
    with pytest.raises(LabUnavailable, match="どちらか一つ"):
        lab.up(tmp_path, **arguments)


def test_where_no_laboratory_is_there_is_nothing_to_take_down(tmp_path):
    assert lab.down(tmp_path / "none") is False
