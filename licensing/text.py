"""The licence count for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

from layout.licence_records import LicenceResult, ProductResult
from layout.wareki import wareki

from . import remedy_text, wording
from .wording import span


def text(result: LicenceResult, *, detail: bool = False) -> str:
    """Answers the result as lines for a person; the verdict is the first one.

    `detail` adds what every host or VM adds to a product's number.
    """
    return "\n".join(_lines(result, detail=detail)) + "\n"


def _lines(result: LicenceResult, *, detail: bool) -> Iterable[str]:
    yield result.verdict
    yield ""
    yield "必要数" + (f"（{wareki(result.as_of)}時点）" if result.as_of else f"（{result.fiscal_year} 年度）")
    for product in result.products:
        packs = "" if product.packs is None else f"（{product.pack} x {product.packs}）"
        mark = "［未確認］" if product.unverified or product.evidence == "unverified" else ""
        options = "".join(f" {name}={value}" for name, value in product.options.items())
        yield f"  {product.quantity} {product.unit}{packs}  {product.name}{options}  {product.rule}  {mark}".rstrip()
        decides = "" if result.as_of or product.law == "hourly-meter" else f"（{span(product.at, product.until)}）"
        yield f"      {product.because}{decides}"
        if detail:
            yield from (f"        {part.because}" for part in product.details)
        yield f"      ［{wording.mark(product.evidence)}］{product.source}"
        yield from (f"      未確認：{value}" for value in product.unverified)
        yield from (f"      注：{note}" for note in product.notes)
        yield from _series(product)
    if result.violations:
        yield ""
        yield "違反"
        yield from (f"  {violation.because}" for violation in result.violations)
    if result.remedies:
        yield ""
        yield "違反への対応（◎ 最も安い、○ できる、× できない。税抜き）"
        yield from remedy_text.lines(result)
    if result.findings.movement or result.findings.host_curve:
        yield ""
        yield "移動とホスト数の影響"
        yield from (f"  {found.because}" for found in result.findings.movement)
        yield from (f"  {found.because}" for found in result.findings.host_curve)
    yield ""
    yield result.notice


def _series(product: ProductResult) -> Iterable[str]:
    """The year step by step; nothing unless it was asked for."""
    for step in product.series or ():
        yield f"      {span(step.from_, step.until)}  {step.quantity} {product.unit}"
