"""Ways out of violations: buy the peak, pay by the hour, license physical cores, pin, move the job in time."""

from .assessment import KINDS, with_remedies
from .purchase import Prices

__all__ = ["KINDS", "Prices", "with_remedies"]
