"""Price lists and counted products for the tests of this room."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from estate.clock import JST
from layout.licence_records import GradeCount, ProductResult
from licensing import pricing

HEAD = {
    "format": "1",
    "id": "list",
    "name": "○○社見積",
    "date": "2027-02-01",
    "currency": "JPY",
    "tax": "exclusive",
    "evidence": "quote",
    "source": "○○社見積書 第12号",
}


def written(folder: Path, *prices: str, name: str = "list.yaml", **head: object) -> Path:
    """Writes a price file: the rows as YAML flow mappings, the head as above but for what is given."""
    lines = [f"{key}: {value}" for key, value in {**HEAD, **head}.items() if value is not None]
    path = folder / name
    path.write_text("\n".join([*lines, "prices:", *(f"  - {{{row}}}" for row in prices)]) + "\n", encoding="utf-8")
    return path


def book(folder: Path, *prices: str, rates: Mapping[str, object] | None = None, **head: object) -> pricing.PriceBook:
    return pricing.load([written(folder, *prices, **head)], rates)


def product(rule: str, quantity: float, **fields: object) -> ProductResult:
    """A counted product; only what a price looks at."""
    plain = {
        "name": rule,
        "options": {},
        "unit": "ライセンス",
        "packs": None,
        "pack": None,
        "at": datetime(2027, 4, 1, tzinfo=JST),
        "until": datetime(2028, 4, 1, tzinfo=JST),
        "details": (),
        "because": "試験",
        "evidence": "P",
        "source": "試験",
        "valid_from": datetime(2020, 1, 1, tzinfo=JST).date(),
        "unverified": (),
        "notes": (),
    }
    return ProductResult(**{"rule": rule, "quantity": quantity, **plain, **fields})


def graded(rule: str, **grades: float) -> ProductResult:
    counts = tuple(GradeCount(grade=grade, quantity=quantity) for grade, quantity in grades.items())
    return product(rule, sum(grades.values()), grades=counts)
