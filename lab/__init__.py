"""Several real KVM hosts on one machine, for the demonstration and the end-to-end tests."""

from lab.counter import counter, volume_counter
from lab.host import Guest
from lab.image import ImageFile
from lab.lifecycle import Lab, down, power_off, power_on, up
from lab.network import Probe
from lab.operations import GatewayStatus, HostStatus, Status, execute, probe, probe_guests, status
from lab.plan import NetworkPlan
from lab.ssh import SshAccess
from lab.unavailable import LabUnavailable

__all__ = [
    "GatewayStatus",
    "Guest",
    "HostStatus",
    "ImageFile",
    "Lab",
    "LabUnavailable",
    "NetworkPlan",
    "Probe",
    "SshAccess",
    "Status",
    "counter",
    "down",
    "execute",
    "power_off",
    "power_on",
    "probe",
    "probe_guests",
    "status",
    "up",
    "volume_counter",
]
