"""Price lists from files: YAML, XLSX or CSV, by the ending of the name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from estate import EstateErrors, read_document

from ..errors import LicensingError
from ..rulebook import RuleBook, load_rules
from . import tables
from .book import PriceBook, PriceList
from .checks import contradictions
from .records import PriceFile, exact

SHIPPED = Path(__file__).parent / "examples"
_BY_COMMAND = "コマンドの --rate の指定"
_LARGEST_RATE = 1_000_000


def load(
    paths: Sequence[Path] | None = None,
    exchange: Mapping[str, Fraction | Decimal] | None = None,
    *,
    rules_dir: Path | None = None,
) -> PriceBook:
    """Answers the prices of these files; None reads the shipped examples, which are no prices to rely on.

    `exchange` holds yen per unit of a currency and replaces the rates of the files; `rules_dir` adds rules.
    Raises LicensingError with every mistake of every file, for a list in a foreign currency without a rate, and
    for a rate of a currency that no list uses.
    """
    book = load_rules(rules_dir)
    problems: list[str] = []
    files: list[tuple[Path, PriceFile]] = []
    for path in sorted(SHIPPED.glob("*.yaml")) if paths is None else paths:
        try:
            files.append((path, _read(path, book)))
        except EstateErrors as errors:
            problems.extend(str(problem) for problem in errors.problems)
        except LicensingError as error:
            problems.extend(error.problems)
    rates = dict(exchange or {})
    lists: list[PriceList] = []
    seen: dict[str, Path] = {}
    for path, file in files:
        if file.id in seen:
            problems.append(f"{path}: 価格表 {file.id} が {seen[file.id]} にもあります。id を変えてください")
        seen.setdefault(file.id, path)
        if file.currency == "JPY":
            lists.append(PriceList(file, Fraction(1), None))
        elif file.currency in rates:
            lists.append(PriceList(file, Fraction(rates[file.currency]), _BY_COMMAND))
        elif file.exchange is not None:
            lists.append(PriceList(file, exact(file.exchange.rate), file.exchange.source))
        else:
            problems.append(
                f"{path}: 通貨 {file.currency} の為替レートがありません。"
                f"--rate {file.currency}=円 を指定するか、価格表に exchange を書いてください"
            )
    used = {file.currency for _, file in files}
    if not problems:
        problems += [f"--rate {name}: 通貨 {name} の価格表がありません" for name in rates if name not in used]
    if problems:
        raise LicensingError(*problems)
    return PriceBook(tuple(lists), book)


def exchange_rates(texts: Iterable[str]) -> dict[str, Fraction]:
    """Answers the rates of `--rate USD=150.25` as exact numbers by currency. Raises LicensingError."""
    rates: dict[str, Fraction] = {}
    for text in texts:
        name, equals, number = text.partition("=")
        if not (equals and len(name) == 3 and name.isascii() and name.isupper() and name.isalpha()) or name == "JPY":
            raise LicensingError(
                f"--rate: {text[:60]!r} は読めません。USD=150.25（1 単位あたりの円）の形で書いてください"
            )
        rate = tables.number(number)
        if rate is None or not 0 < rate <= _LARGEST_RATE:
            raise LicensingError(f"--rate: {name} の為替レート {number[:40]!r} は 0 より大きい数で書いてください")
        if name in rates:
            raise LicensingError(f"--rate: 通貨 {name} が二度あります。一つにしてください")
        rates[name] = rate
    return rates


def ratio(text: str, where: str) -> Fraction:
    """Answers a rate such as `0.10` or `10%` as an exact number. Raises LicensingError; `where` names who asks."""
    found = tables.number(text)
    if found is None or not 0 <= found <= 1:
        raise LicensingError(f"{where}: {text[:40]!r} は使えません。0 から 1 まで（0.10 か 10%）で書いてください")
    return found


def _read(path: Path, book: RuleBook) -> PriceFile:
    ending = path.suffix.lower()
    if ending in (".yaml", ".yml"):
        return read_document(path, PriceFile, lambda file: contradictions(file, book))
    if ending in (".xlsx", ".csv"):
        return tables.read(path, book)
    raise LicensingError(f"{path}: 価格表として読めるのは .yaml、.xlsx、.csv です（{ending or '拡張子なし'}）")
