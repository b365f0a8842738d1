"""WHAT A LICENCE COSTS: price lists outside the rules, from YAML files or a buyer's tables, in whole yen."""

from .book import PARTS, PriceBook, PricedPart
from .reader import exchange_rates, load, ratio

__all__ = ["PARTS", "PriceBook", "PricedPart", "exchange_rates", "load", "ratio"]
