"""The use case `plan`: level the load, place the VMs, write a checked folder."""

from .change_table import change_lines
from .keeping import WishError
from .networks import AddressSpaceError
from .plan import plan, site_names
from .wording import summary

__all__ = ["AddressSpaceError", "WishError", "change_lines", "plan", "site_names", "summary"]
