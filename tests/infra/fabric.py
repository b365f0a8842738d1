"""A small data centre of network namespaces: hosts and gateways on an underlay, and VMs as mere endpoints.

Nothing of it runs libvirt; the scripts that set the hosts up are those that `kumiai network show` prints.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra import segmentation
from infra.refusal import RefusalError
from layout.ports import port_name
from layout.records import Layout
from layout.uplinks import Uplink, Uplinks

AGENT = Path(__file__).with_name("packet_agent.py")
UNDERLAY_MTU = 1600
PYTHON = os.path.realpath(sys.executable)

_HOLD = """
echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
echo 0 >/proc/sys/net/ipv4/ip_forward
for setting in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e "$setting" ] || echo 0 >"$setting"; done
mount -t tmpfs tmpfs "$1/upper" && mkdir "$1/upper/u" "$1/upper/w"
mount -t overlay -o "lowerdir=/etc,upperdir=$1/upper/u,workdir=$1/upper/w" overlay /etc
mount -t tmpfs tmpfs /run
ip link set lo up && echo ready
while :; do sleep 86400; done
"""


def uplinks_of(layout: Layout) -> Uplinks:
    """Every host, and a gateway per site, on one underlay."""
    sites = dict.fromkeys(host.site for host in layout.hosts)
    hosts = {
        host.id: Uplink(kind="vxlan", device="up0", address=f"10.254.0.{number}", mtu=UNDERLAY_MTU)
        for number, host in enumerate(layout.hosts, 1)
    }
    gateways = {
        site: Uplink(kind="vxlan", device="up0", address=f"10.254.1.{number}", mtu=UNDERLAY_MTU)
        for number, site in enumerate(sites, 1)
    }
    return Uplinks(hosts=hosts, gateways=gateways)


class Namespace:
    """One machine: its own network, mounts, /etc and /run."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        (folder / name / "upper").mkdir(parents=True)
        command = ["unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        self.process = subprocess.Popen(
            [*command, "sh", "-ec", _HOLD, "hold", str(folder / name)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout.readline() == "ready\n"
        self.pid = int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()[0])

    def command(self, *arguments: str) -> list[str]:
        return ["nsenter", "--target", str(self.pid), "--mount", "--net", "--pid", "--", *arguments]

    def run(self, *arguments: str, text: str | None = None, check: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run(self.command(*arguments), input=text, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, (arguments[:4], done.stdout[-2000:], done.stderr[-2000:])
        return done

    def ip(self, *lines: str) -> None:
        # Only the network is entered: `netns PID` must mean the numbers seen from outside.
        command = ["nsenter", "--target", str(self.pid), "--net", "--", "ip", "-batch", "-"]
        done = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Endpoint:
    """A VM as the network sees it: MAC, address, gateway, open TCP ports. It hangs on a host's bridge by its port."""

    def __init__(self, name: str, mac: str, address: str) -> None:
        self.name, self.mac, self.address = name, mac, address
        self.process = subprocess.Popen(
            ["unshare", "--net", "--", PYTHON, "-I", "-S", str(AGENT)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.pid = self.process.pid
        self.tell(do="be", mac=mac, address=address)

    def tell(self, **order):
        self.start(**order)
        return self.answer()

    def start(self, **order) -> None:
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def answer(self):
        return json.loads(self.process.stdout.readline())

    def up(self, prefix: int, gateway: str | None, ports: tuple[int, ...]) -> None:
        commands = [
            ["ip", "link", "set", "lo", "up"],
            ["ip", "link", "set", "eth0", "address", self.mac],
            ["ip", "address", "add", f"{self.address}/{prefix}", "dev", "eth0"],
            ["ip", "link", "set", "eth0", "up"],
        ]
        if gateway:
            commands.append(["ip", "route", "add", "default", "via", gateway])
        self.tell(do="configure", commands=commands)
        self.tell(do="listen", ports=list(ports), name=self.name)

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


@dataclass
class Fabric:
    """The machines of a plan, wired to one underlay; nothing is set up until `apply`."""

    layout: Layout
    uplinks: Uplinks
    switch: Namespace
    machines: dict[str, Namespace]
    endpoints: dict[str, Endpoint]
    bare: bool = False
    """Whether rules were taken away since they were applied last."""

    @classmethod
    def make(cls, layout: Layout, folder: Path) -> Fabric:
        uplinks = uplinks_of(layout)
        fabric = cls(layout, uplinks, Namespace("switch", folder), {}, {})
        wires = {host.id: uplinks.hosts[host.id] for host in layout.hosts}
        wires |= {f"gw-{site}": uplink for site, uplink in uplinks.gateways.items()}
        lines = [f"link add name under mtu {UNDERLAY_MTU} type bridge", "link set under up"]
        for number, name in enumerate(wires):
            machine = fabric.machines[name] = Namespace(name, folder)
            lines += [
                f"link add p{number} mtu {UNDERLAY_MTU} type veth peer name up0 mtu {UNDERLAY_MTU} netns {machine.pid}",
                f"link set p{number} master under up",
            ]
        fabric.switch.ip(*lines)
        for name, uplink in wires.items():
            fabric.machines[name].ip(f"address add {uplink.address}/16 dev up0", "link set up0 up")
        return fabric

    def network(self, name: str, layout: Layout | None = None) -> segmentation.HostNetwork:
        chosen = layout or self.layout
        if name.startswith("gw-"):
            return segmentation.gateway_rules(chosen, self.uplinks, name.removeprefix("gw-"))
        return segmentation.host_rules(chosen, self.uplinks, name)

    def script(self, name: str, layout: Layout | None = None) -> str:
        return segmentation.script(self.network(name, layout), "試験")

    def run(self, name: str, mode: str = "apply", layout: Layout | None = None, check: bool = True):
        return self.machines[name].run("sh", "-s", mode, text=self.script(name, layout), check=check)

    def apply(self, layout: Layout | None = None) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda name: self.run(name, layout=layout), self.machines))
        self.bare = False

    def without_rules(self, *names: str) -> None:
        """Takes the rules away, as nobody ever should."""
        self.bare = True
        for name in names or tuple(self.machines):
            self.machines[name].run(
                "sh", "-c", "nft delete table bridge kumiai; nft delete table inet kumiai", check=False
            )
            assert "kumiai" not in self.machines[name].run("nft", "list", "tables").stdout

    def attach(
        self, vm_id: str, ports: tuple[int, ...], *, host: str | None = None, bridge: str | None = None
    ) -> Endpoint:
        """An endpoint in place of a VM: its MAC, address and port name, on its host's bridge."""
        vm = next(vm for vm in self.layout.vms if vm.id == vm_id)
        network = next(network for network in self.layout.networks if network.id == vm.network)
        return self.attach_as(
            vm_id, port_name(vm.mac), vm.mac, vm.address, host or vm.host, bridge or network.bridge,
            int(network.subnet.partition("/")[2]), network.gateway, ports,
        )  # fmt: skip

    def attach_as(self, name, port, mac, address, host, bridge, prefix, gateway, ports) -> Endpoint:
        endpoint = self.endpoints[name] = Endpoint(name, mac, address)
        self.machines[host].ip(
            f"link add {port} mtu 1500 type veth peer name eth0 mtu 1500 netns {endpoint.pid}",
            f"link set {port} master {bridge} up",
        )
        endpoint.up(prefix, gateway, ports)
        return endpoint

    def attempt(self, orders: dict[str, dict]) -> dict[str, dict]:
        """All these endpoints try at once."""
        for name, order in orders.items():
            self.endpoints[name].start(do="attempt", **order)
        return {name: self.endpoints[name].answer() for name in orders}

    def settle(self) -> None:
        """A new pair of interfaces loses what is sent in its first second."""
        time.sleep(1.3)

    def end(self) -> None:
        for each in (*self.endpoints.values(), *self.machines.values(), self.switch):
            each.end()


def refusal(call) -> str:
    """The message with which this is refused."""
    try:
        call()
    except RefusalError as error:
        return str(error)
    raise AssertionError("nothing was refused")
