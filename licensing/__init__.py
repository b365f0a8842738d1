"""WHAT LICENCES: dated rules as data, the hosts a VM can reach, counts over time, violations before they happen."""

from .contract import require_years
from .counting import count
from .errors import LicensingError
from .text import text

__all__ = ["LicensingError", "count", "require_years", "text"]
