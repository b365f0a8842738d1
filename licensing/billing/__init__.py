"""WHAT IT COSTS AND WHO PAYS: items over the contract's years, A against B, break-evens, the bill as text."""

from .bill import DEFAULT_YEARS, LICENCE_SPLIT, TAX_RATE, bill, payers, residents
from .text import text

__all__ = ["DEFAULT_YEARS", "LICENCE_SPLIT", "TAX_RATE", "bill", "payers", "residents", "text"]
