"""The use case `plan`: level the load, place the VMs, write a checked folder."""

from .networks import AddressSpaceError
from .plan import plan, site_names
from .wording import summary

__all__ = ["AddressSpaceError", "plan", "site_names", "summary"]
