"""The use case `plan`: level the load, place the VMs, write a checked folder."""

from .plan import plan
from .wording import summary

__all__ = ["plan", "summary"]
