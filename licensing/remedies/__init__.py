"""Ways out of violations: buy the peak, pay by the hour, license physical cores, pin, move the job in time."""

from .assessment import with_remedies
from .purchase import Prices

__all__ = ["Prices", "with_remedies"]
