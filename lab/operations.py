"""Looks at a running laboratory: its status, commands in its hosts, an address as seen on a network."""

import subprocess
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import forwarding, network
from lab import host as hosts_of
from lab.host import Guest
from lab.namespaces import enter
from lab.network import Probe
from lab.plan import GuestPlan, LabPlan, NetworkPlan, read
from lab.requirements import require_root, running
from lab.state import Places, State, load, places
from lab.unavailable import LabUnavailable


@dataclass(frozen=True)
class HostStatus:
    """`alive`: its namespaces are held; `answers`: its libvirtd lists guests; `port`: of its sshd on 127.0.0.1."""

    id: str
    uri: str
    alive: bool
    answers: bool
    guests: tuple[Guest, ...]
    port: int | None
    ssh_answers: bool


@dataclass(frozen=True)
class GatewayStatus:
    """The gateway of a site: as a host, without libvirtd."""

    id: str
    site: str
    alive: bool
    port: int | None
    ssh_answers: bool


@dataclass(frozen=True)
class Status:
    """State of a laboratory; `up` when every host and gateway is alive and answers."""

    up: bool
    state_dir: Path
    hosts: tuple[HostStatus, ...]
    networks: tuple[NetworkPlan, ...]
    gateways: tuple[GatewayStatus, ...] = ()


def status(state_dir: Path | None = None) -> Status:
    """What runs of the laboratory; without one, no hosts and not up."""
    require_root()
    where = places(state_dir)
    state = load(where)
    if state is None:
        return Status(up=False, state_dir=where.state_dir, hosts=(), networks=())
    ports = {each.name: each.port for each in state.forwarders}
    hosts = tuple(_host_status(where, state, each.id, ports.get(each.id)) for each in state.plan.hosts)
    gateways = tuple(
        GatewayStatus(name, site, _alive(state, name), ports.get(name), _greets(ports.get(name)))
        for site, name in state.plan.gateways.items()
    )
    works = all(each.answers and each.ssh_answers for each in hosts)
    works = works and all(each.alive and each.ssh_answers for each in gateways)
    return Status(state.complete and works, where.state_dir, hosts, state.plan.networks, gateways)


def _host_status(where: Places, state: State, host: str, port: int | None) -> HostStatus:
    alive = _alive(state, host)
    found = hosts_of.guests(where, host) if alive else None
    return HostStatus(host, where.uri(host), alive, found is not None, found or (), port, _greets(port))


def _alive(state: State, name: str) -> bool:
    namespaces = state.of(name)
    return namespaces is not None and namespaces.holder.alive()


def _greets(port: int | None) -> bool:
    return port is not None and forwarding.answers(port)


def execute(
    state_dir: Path | None, host: str, argv: Sequence[str], *, capture: bool = True
) -> subprocess.CompletedProcess[str]:
    """Runs a command inside a host or gateway and answers its exit code, with its output when `capture`.

    Without `capture` it uses this process's own input and output. Raises LabUnavailable when the host does not run.
    """
    require_root()
    state = running(places(state_dir))
    command = enter(network.member(state, host), argv)
    return subprocess.run(command, capture_output=capture, text=True, errors="replace", check=False)


def probe(
    state_dir: Path | None,
    network_id: str,
    address: str,
    *,
    port: int = 80,
    source: str | None = None,
    deadline_s: int = 2,
    ping: bool = True,
    plan: Path | None = None,
) -> Probe:
    """Pings `address` (unless told not to) and reads what its TCP `port` says, from an endpoint on the network.

    `source` is the endpoint's address, by default a free one of the subnet. Each try waits `deadline_s` seconds.
    `plan` is a later plan folder than that of the laboratory.
    """
    require_root()
    state = running(places(state_dir))
    planned = _planned(state, plan)
    origin = source or network.free_address(network.network_of(planned, network_id))
    time_ms = None
    if ping:
        once = ["busybox", "ping", "-c", "1", "-W", str(deadline_s), address]
        time_ms = network.round_trip_ms(network.run_on(state, network_id, once, origin, planned).stdout)
    # nc limits the time to connect only; a peer may accept and then say nothing for ever.
    talk = ["timeout", str(2 * deadline_s), "busybox", "nc", "-w", str(deadline_s), address, str(port)]
    said = network.run_on(state, network_id, talk, origin, planned)
    answer = said.stdout.strip() if said.returncode == 0 else None
    return Probe(network_id, address, origin, time_ms, port, answer)


def planned_guest(state_dir: Path | None, name: str, plan: Path | None = None) -> GuestPlan:
    """Where the plan puts this guest. Raises LabUnavailable when it does not know it."""
    for guest in _planned(running(places(state_dir)), plan).guests:
        if guest.name == name:
            return guest
    raise LabUnavailable(f"仮想サーバ {name} は検証環境の計画にありません")


def _planned(state: State, plan: Path | None) -> LabPlan:
    """What the laboratory was started with, or a later plan folder for the same hosts."""
    return state.plan if plan is None else read(plan)


def probe_guests(
    state_dir: Path | None, names: Collection[str], *, wait_s: float = 0.0, plan: Path | None = None
) -> dict[str, Probe]:
    """Probes these guests at the addresses the plan gives them, one after another; names it does not know are left out.

    A guest that boots is silent for some seconds, and each silent one takes about three. Silent ones are asked again
    for at least `wait_s` seconds.
    """
    require_root()
    planned = [each for each in _planned(running(places(state_dir)), plan).guests if each.name in names]
    until = time.monotonic() + wait_s
    heard: dict[str, Probe] = {}
    while True:
        silent = [each for each in planned if each.name not in heard or not _is_up(heard[each.name])]
        for each in silent:
            heard[each.name] = probe(state_dir, each.network, each.address, deadline_s=1, plan=plan)
        if time.monotonic() >= until or all(map(_is_up, heard.values())):
            return heard
        time.sleep(0.5)


def _is_up(probed: Probe) -> bool:
    """A guest answers pings some moments before its services, and a first ping may get lost."""
    return probed.reachable and probed.answer is not None
