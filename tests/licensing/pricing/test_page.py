"""The page about price lists: its examples load, and it names every column, heading and key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from licensing import pricing
from licensing.pricing.records import Maintenance, Price, PriceFile
from licensing.pricing.tables import COLUMNS, HEADS

TEXT = (Path(__file__).parents[3] / "docs" / "price-lists.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("form", ["yaml", "csv"])
def test_the_examples_of_the_page_are_price_lists(tmp_path, form):
    (example,) = re.findall(rf"```{form}\n(.*?)```", TEXT, re.DOTALL)
    path = tmp_path / f"quote.{form}"
    path.write_text(example, encoding="utf-8")
    (entry,) = pricing.load([path]).lists
    assert len(entry.file.prices) == {"yaml": 3, "csv": 2}[form]


def test_the_page_names_everything_that_can_be_written():
    for words in (*HEADS.values(), *COLUMNS.values()):
        assert all(word in TEXT for word in words)
    for record in (PriceFile, Price, Maintenance):
        assert all(re.search(rf"\b{name}\b", TEXT) for name in record.model_fields)
