"""How long a contract may be."""

from __future__ import annotations

from .errors import LicensingError

LONGEST_YEARS = 30


def require_years(years: int) -> None:
    """Raises LicensingError for a contract of other than 1 to 30 years."""
    if not 1 <= years <= LONGEST_YEARS:
        raise LicensingError(f"--years: 契約は 1 年から {LONGEST_YEARS} 年までです（{years}）")
