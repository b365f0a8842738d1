"""`kumiai license compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .licence_options import Prices, Rate, Rules, Years
from .terminal import DIFFERENT, OK, RefusedError, emit_text, tell

if TYPE_CHECKING:
    from licensing.comparison import Counted


def compare(
    sources: Annotated[list[Path], typer.Argument(metavar="A B...", help="計画フォルダー、または layout.json")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", "--chart", metavar="FILE.html", help="図の入った比較の頁を書く")
    ] = None,
    rules: Rules = None,
    prices: Prices = None,
    rate: Rate = None,
    years: Years = 5,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """いくつかの構成で、必要なライセンスと費用を並べて比べる。最初の構成との差を示す。"""
    import licensing
    from layout import exchange
    from licensing import comparison, pricing
    from reports import comparison_page, comparison_text

    if output is not None:
        _refuse(output)
    try:
        licensing.require_years(years)
        counted = [_counted(source, rules) for source in sources]
        book = pricing.load(prices or None, pricing.exchange_rates(rate or ()), rules_dir=rules)
        result = comparison.compare(counted, book, years=years)
    except licensing.LicensingError as error:
        raise RefusedError(*error.problems) from None
    if output is not None:
        try:
            exchange.replace_file(output.resolve(), comparison_page.render(result).encode())
        except OSError as error:
            raise RefusedError(f"{output}: 書き込めません（{error.strerror or error}）") from None
        tell(f"比較の頁：{output}")
    emit_text(result.to_json() if as_json else comparison_text.text(result))
    raise typer.Exit(OK if result.equal else DIFFERENT)


def _counted(source: Path, rules: Path | None) -> Counted:
    """The layout and its count; every line of a refusal names the layout."""
    import licensing
    from layout import FolderError, folder, layout_file
    from licensing import comparison

    if not source.exists():
        raise RefusedError(f"{source}: 計画フォルダーも layout.json もありません")
    try:
        plan = folder.read_planned(source) if source.is_dir() else None
        layout = plan.layout if plan is not None else layout_file.read_layout(source)
        result = licensing.count(
            layout,
            fiscal_year=layout.estate.fiscal_year,
            entitlements=None if plan is None else plan.estate.entitlements,
            rules_dir=rules,
            layout_digest=None if plan is None else plan.layout_digest,
            residents=None if plan is None else {tenant.id: tenant.population for tenant in plan.estate.tenants},
        )
    except FolderError as error:
        raise RefusedError(f"{source}: {error}") from None
    except licensing.LicensingError as error:
        raise RefusedError(*(f"{source}: {problem}" for problem in error.problems)) from None
    return comparison.Counted(str(source), layout, result)


def _refuse(output: Path) -> None:
    """Refuses a place where no page can be written, before long work."""
    if output.is_dir():
        raise RefusedError(f"{output}: フォルダーです。ファイルの名前（例 比較.html）を指定してください")
    if output.exists() and output.suffix.lower() not in (".html", ".htm"):
        raise RefusedError(f"{output}: 頁（.html）でないファイルがあります。上書きしません。別の名前を指定してください")
    if not output.resolve().parent.is_dir():
        raise RefusedError(f"{output}: 書き込むフォルダー {output.resolve().parent} がありません")
