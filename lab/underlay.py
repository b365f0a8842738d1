"""The cable by which every host and gateway is joined to all others; the networks' frames run over it in tunnels."""

from lab.network import batch, unplug
from lab.plan import UNDERLAY, UNDERLAY_MTU, LabPlan
from lab.state import Namespaces, Places
from layout.uplinks import Uplink, Uplinks

DEVICE = "up0"
BRIDGE = "underlay"


def lay(where: Places, switch: Namespaces) -> None:
    """Makes the bridge of the switch. Raises LabUnavailable when the kernel refuses."""
    batch(where, switch, [f"link add name {BRIDGE} mtu {UNDERLAY_MTU} type bridge", f"link set {BRIDGE} up"])


def plug_in(where: Places, switch: Namespaces, member: Namespaces, plan: LabPlan) -> None:
    """Joins a host or gateway. Raises LabUnavailable when the kernel refuses."""
    number = list(plan.addresses).index(member.name)
    port, mtu, end = f"u{number}", UNDERLAY_MTU, switch.holder.pid
    unplug(where, switch, [port])
    # As a network card keeps its address over a power cut: neighbours that still know it reach the machine at once.
    mac = f"02:00:00:00:{number >> 8:02x}:{number & 0xFF:02x}"
    batch(
        where,
        member,
        [
            f"link add {DEVICE} address {mac} mtu {mtu} type veth peer name {port} mtu {mtu} netns {end}",
            f"address add {plan.addresses[member.name]}/{UNDERLAY.prefixlen} dev {DEVICE}",
            f"link set {DEVICE} up",
        ],
    )
    batch(where, switch, [f"link set {port} master {BRIDGE} up"])


def uplinks(plan: LabPlan) -> Uplinks:
    """The wires as those who segment the networks want to know them."""

    def over(name: str) -> Uplink:
        return Uplink(kind="vxlan", device=DEVICE, address=plan.addresses[name], mtu=UNDERLAY_MTU)

    return Uplinks(
        hosts={host.id: over(host.id) for host in plan.hosts},
        gateways={site: over(name) for site, name in plan.gateways.items()},
    )
