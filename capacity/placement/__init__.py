"""Hosts: which one carries which VM, and how few there can be at least."""

from capacity.placement.assignment import place
from capacity.placement.kept import KeptPlacement
from capacity.placement.load import VmLoad, vm_load

__all__ = ["KeptPlacement", "VmLoad", "place", "vm_load"]
