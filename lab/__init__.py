"""Several real KVM hosts on one machine, for the demonstration and the end-to-end tests."""

from lab.counter import counter, volume_counter
from lab.host import Guest
from lab.image import ImageFile
from lab.network import Probe
from lab.operations import HostStatus, Lab, Status, down, execute, probe, probe_guests, status, up
from lab.plan import NetworkPlan
from lab.unavailable import LabUnavailable

__all__ = [
    "Guest",
    "HostStatus",
    "ImageFile",
    "Lab",
    "LabUnavailable",
    "NetworkPlan",
    "Probe",
    "Status",
    "counter",
    "down",
    "execute",
    "probe",
    "probe_guests",
    "status",
    "up",
    "volume_counter",
]
