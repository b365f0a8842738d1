"""WHO PAYS WHAT: split methods as data, exact ratios, whole yen, Shapley values, and checks on every split."""

from .coalitions import Coalitions
from .ground_records import CoalitionCost, Grounds, Party, Peak
from .method_book import MethodBook, load
from .plan_grounds import grounds, members_of
from .records import SplitMethod
from .shares import split

__all__ = [
    "CoalitionCost",
    "Coalitions",
    "Grounds",
    "MethodBook",
    "Party",
    "Peak",
    "SplitMethod",
    "grounds",
    "load",
    "members_of",
    "split",
]
