"""What physical hosts cost over a contract, from the `hosts` of price files."""

from __future__ import annotations

from .book import PriceBook, rounded
from .records import exact, label


def host_cost(book: PriceBook, model: str, years: int) -> tuple[int, str] | None:
    """Answers yen of one host of a model over `years` years, tax-exclusive, and how they came to be.

    A later list comes before an earlier one. None where no list has the model.
    """
    for entry in reversed(book.lists):
        for price in entry.file.hosts:
            if price.model == model:
                care = price.maintenance
                bought = rounded(entry.yen(exact(price.amount)), entry.file.rounding)
                yearly, paid = 0, 0
                if care is not None:
                    amount = bought * exact(care.rate) if care.rate is not None else entry.yen(exact(care.amount or 0))
                    yearly = rounded(amount, entry.file.rounding)
                    paid = max(0, years - care.free_years)
                kept = f"、保守 {yearly:,} 円／年 x {paid} 年" if yearly and paid else ""
                because = f"{model} 1 台 {bought:,} 円{kept}（{label(entry.file)}、{entry.file.date}）"
                return bought + yearly * paid, because
    return None
