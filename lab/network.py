"""The wires of the laboratory: per network one bridge in the switch, and one pair of interfaces to each of its hosts.

Networks share nothing, so they are isolated from one another by construction.
"""

import ipaddress
import json
import re
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from lab.namespaces import enter, environment
from lab.plan import LabPlan, NetworkPlan
from lab.state import SWITCH, Namespaces, Places, State
from lab.unavailable import LabUnavailable

# Runs inside the switch or a gateway. The endpoint is a macvlan above the device, which carries frames at once (a new
# veth pair loses those of its first second), in a network namespace of its own that ends with the command. Its hardware
# address follows from its address: for a second after an ARP answer, a peer takes no other one and would answer into
# the void.
# Two endpoints with one address cannot live at once, and the kernel takes a moment to forget the last: hence the wait.
ENDPOINT_FAILED = 125
ENDPOINT = """
exec unshare --net -- /bin/sh -c '
    bridge=$1 address=$2 mac=$3; shift 3
    nsenter --target 1 --net -- \\
        ip link add link "$bridge" name eth0 address "$mac" netns "$$" type macvlan mode bridge || exit 125
    ip addr add "$address" dev eth0 && ip link set lo up || exit 125
    tries=0
    until ip link set eth0 up; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || exit 125
        sleep 0.1
    done
    "$@"
    result=$?
    ip link delete eth0
    exit "$result"
' endpoint "$@"
"""


@dataclass(frozen=True)
class Probe:
    """What an endpoint on a network sees of an address: `round_trip_ms` of a ping, and what TCP `port` answered."""

    network: str
    address: str
    source: str
    round_trip_ms: float | None
    port: int
    answer: str | None

    @property
    def reachable(self) -> bool:
        """Whether the address answered a ping."""
        return self.round_trip_ms is not None


def connect(where: Places, state: State, only: Collection[str] | None = None) -> None:
    """Makes the bridges and joins the hosts of each network; `only` some hosts when the switch has its bridges already.

    Raises LabUnavailable when the kernel refuses.
    """
    switch = member(state, SWITCH)
    if only is None:
        inside: list[str] = []
        for number, network in enumerate(state.plan.networks):
            inside.append(f"link add name {_bridge(number)} mtu {network.mtu} type bridge")
            inside.append(f"link set {_bridge(number)} up")
        batch(where, switch, inside)
    ports: list[str] = []
    for position, host in enumerate(state.plan.hosts):
        if only is not None and host.id not in only:
            continue
        lines: list[str] = []
        plugged: list[str] = []
        for number, network in enumerate(state.plan.networks):
            if host.id not in network.hosts:
                continue
            port, up, mtu = f"h{position}n{number}", f"cable{number}", network.mtu
            lines += [
                f"link add name {network.bridge} mtu {mtu} type bridge",
                f"link add {up} mtu {mtu} type veth peer name {port} mtu {mtu} netns {switch.holder.pid}",
                f"link set {up} master {network.bridge} up",
                f"link set {network.bridge} up",
            ]
            ports.append(f"link set {port} master {_bridge(number)} up")
            plugged.append(port)
        if only is not None:
            unplug(where, switch, plugged)
        batch(where, member(state, host.id), lines)
    batch(where, switch, ports)


def restore(where: Places, booted: Namespaces) -> None:
    """Sets up the networks that a host or gateway had before, as its systemd would when it boots.

    Raises LabUnavailable when its script fails.
    """
    script = where.host(booted.name) / "etc/kumiai/network.sh"
    if not script.exists():
        return
    command = enter(booted, ["sh", "/etc/kumiai/network.sh", "apply"])
    done = subprocess.run(
        command, env=environment(where), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise LabUnavailable(f"{booted.name} のネットワークを元に戻せません：{' '.join(done.stderr.split())}")


def member(state: State, name: str) -> Namespaces:
    """The running namespaces of a host or the switch. Raises LabUnavailable when there are none of that name."""
    found = state.of(name)
    if found is None:
        known = "、".join(state.plan.addresses)
        raise LabUnavailable(f"ホスト {name} は検証環境にありません（あるのは {known}）")
    return found


def network_of(plan: LabPlan, network: str) -> NetworkPlan:
    """A network by id. Raises LabUnavailable when the laboratory has none of that id."""
    for each in plan.networks:
        if each.id == network:
            return each
    known = "、".join(each.id for each in plan.networks) or "なし"
    raise LabUnavailable(f"ネットワーク {network} は検証環境にありません（あるのは {known}）")


def run_on(
    state: State, network: str, command: Sequence[str], source: str | None = None, plan: LabPlan | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command in a fresh endpoint that is attached to the network and has the address `source` in its subnet.

    By default the source is the highest address of the subnet that the plan does not use; `plan` is a later one than
    that of the laboratory.
    """
    found = network_of(plan or state.plan, network)
    inside, bridge = _attachment(state, found)
    origin = ipaddress.IPv4Address(source or free_address(found))
    address = f"{origin}/{ipaddress.IPv4Network(found.subnet).prefixlen}"
    mac = ":".join(f"{byte:02x}" for byte in b"\x02\0" + origin.packed)
    arguments = ["/bin/sh", "-c", ENDPOINT, "endpoint", bridge, address, mac, *command]
    done = subprocess.run(
        enter(inside, arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode == ENDPOINT_FAILED:
        raise LabUnavailable(f"ネットワーク {network} に接続点を作れません：{' '.join(done.stderr.split())}")
    return done


def _attachment(state: State, plan: NetworkPlan) -> tuple[Namespaces, str]:
    """Where an endpoint gets its cable: at the end of the tunnels in the gateway, else at the bridge of the switch.

    Whoever segments the networks makes the tunnels, and lets pass what comes out of one, but nothing that comes in by
    another cable.
    """
    gateway = state.of(state.plan.gateways.get(plan.site, ""))
    device = _tunnel(gateway, plan) if gateway is not None and gateway.holder.alive() else None
    if gateway is not None and device is not None:
        return gateway, device
    for number, known in enumerate(state.plan.networks):
        if state.plan.bridges and known.id == plan.id:
            return member(state, SWITCH), _bridge(number)
    raise LabUnavailable(
        f"ネットワーク {plan.id} はまだ作られていません（拠点 {plan.site} のゲートウェイにトンネルがありません）"
    )


def _tunnel(gateway: Namespaces, plan: NetworkPlan) -> str | None:
    """The device of the network's tunnels in the gateway."""
    look = ["nsenter", "--target", str(gateway.holder.pid), "--net", "--", "ip", "-json", "-details", "link", "show"]
    done = subprocess.run([*look, "type", "vxlan"], capture_output=True, text=True, check=False)
    for device in json.loads(done.stdout or "[]"):
        if device.get("linkinfo", {}).get("info_data", {}).get("id") == plan.vni:
            return str(device["ifname"])
    return None


def free_address(plan: NetworkPlan) -> str:
    """The highest host address of the subnet that neither a VM nor the gateway has."""
    subnet = ipaddress.IPv4Network(plan.subnet)
    for number in range(subnet.num_addresses - 2, 0, -1):
        address = str(subnet[number])
        if address not in plan.taken:
            return address
    raise LabUnavailable(f"ネットワーク {plan.id}（{plan.subnet}）に空きアドレスがありません")


def round_trip_ms(output: str) -> float | None:
    """The time of the first answer in what busybox ping printed, or None when nothing answered."""
    found = re.search(r"\btime=([0-9.]+) ms", output)
    return float(found[1]) if found else None


def _bridge(number: int) -> str:
    return f"net{number}"


def unplug(where: Places, namespaces: Namespaces, devices: Sequence[str]) -> None:
    """Takes these ends of cables out of the namespaces, where they are still there.

    The kernel removes the cables of a machine that lost its power when it comes to it, and until then their other ends
    keep their names.
    """
    if not devices:
        return
    command = ["nsenter", "--target", str(namespaces.holder.pid), "--net", "--", "ip", "-force", "-batch", "-"]
    text = "".join(f"link delete {device}\n" for device in devices)
    # It fails for each that is gone already, as most are; one that stays is named when it is to be made anew.
    subprocess.run(command, env=environment(where), input=text, capture_output=True, text=True, check=False)


def batch(where: Places, namespaces: Namespaces, lines: Sequence[str]) -> None:
    """Runs these lines of `ip -batch` in the network of the namespaces. Raises LabUnavailable when one is refused."""
    if not lines:
        return
    # Only the network namespace is entered: `netns PID` must mean the numbers seen from outside.
    command = ["nsenter", "--target", str(namespaces.holder.pid), "--net", "--", "ip", "-batch", "-"]
    text = "\n".join(lines) + "\n"
    done = subprocess.run(command, env=environment(where), input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = " ".join(done.stderr.split())
        raise LabUnavailable(f"ネットワークを作成できません（{namespaces.name}）：{reason}")
