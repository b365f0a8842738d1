"""Hosts: which one carries which VM, and how few there can be at least."""

from capacity.placement.assignment import place
from capacity.placement.load import VmLoad, vm_load

__all__ = ["VmLoad", "place", "vm_load"]
