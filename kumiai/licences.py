"""`kumiai license`: the group and its command `count`."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layout.collector import paused_collector

from .licence_bill import split
from .licence_comparison import compare
from .licence_options import Prices, Rate, Rules
from .licence_what_if import count_if
from .terminal import RefusedError, emit_text

if TYPE_CHECKING:
    from layout.folder import PlanFolder

RESULT_NAME = "licences.json"


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    group = typer.Typer(no_args_is_help=True, help="ライセンスの計数、比較、費用。")
    group.callback()(_group)
    group.command("count")(count)
    group.command("compare")(compare)
    group.command("split")(split)
    app.add_typer(group, name="license")


def _group() -> None:
    """ライセンスの計数、比較、費用。"""


def count(
    source: Annotated[Path, typer.Argument(metavar="DIR|LAYOUT", help="計画フォルダー、または layout.json")],
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="DATE", help="この日の必要数 (YYYY-MM-DD)")] = None,
    rules: Rules = None,
    prices: Prices = None,
    rate: Rate = None,
    years: Annotated[int, typer.Option("--years", help="違反への対応を比べる契約の年数 (1 から 30)")] = 5,
    ways_out: Annotated[bool, typer.Option("--remedies/--no-remedies", help="違反への対応を調べる")] = True,
    series: Annotated[bool, typer.Option("--series", help="年度を通じた必要数の変化も示す")] = False,
    detail: Annotated[bool, typer.Option("--detail", help="仮想サーバやホストごとの内訳も示す")] = False,
    what_if: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="VM.vcpu=N", help="この変更をしたら（VM.vcpu=N@開始/終わり、VM.host=H も）"),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option("--baseline", metavar="VM.host=H", help="--with と比べる元の構成の、計画との違い"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """この構成に要るライセンスの数と、年度内に起こる違反を示す。"""
    if baseline and not what_if:
        raise RefusedError("--baseline は --with と一緒に使います")
    with paused_collector(frozen=True):
        if what_if:
            count_if(source, as_of, rules, what_if, baseline or [], as_json=as_json)
        _count(
            source, as_of, rules, prices, rate, years, ways_out=ways_out, series=series, detail=detail, as_json=as_json
        )


def _count(
    source: Path,
    as_of: str | None,
    rules: Path | None,
    prices: list[Path] | None,
    rate: list[str] | None,
    years: int,
    *,
    ways_out: bool,
    series: bool,
    detail: bool,
    as_json: bool,
) -> None:
    import licensing
    from layout import layout_file

    day = _day(as_of)
    if not source.exists():
        raise RefusedError(f"{source}: 計画フォルダーも layout.json もありません")
    plan = _planned(source) if source.is_dir() else None
    layout, digest = (plan.layout, plan.layout_digest) if plan else layout_file.read_layout_and_digest(source)
    try:
        licensing.require_years(years)
        result = licensing.count(
            layout,
            fiscal_year=layout.estate.fiscal_year,
            entitlements=None if plan is None else plan.estate.entitlements,
            as_of=day,
            rules_dir=rules,
            layout_digest=digest,
            residents=None if plan is None else {t.id: t.population for t in plan.estate.tenants},
            series=series,
        )
        if result.violations or prices or rate:
            from licensing import pricing, remedies

            book = pricing.load(prices or None, pricing.exchange_rates(rate or ()), rules_dir=rules)
            if plan is not None and ways_out:
                result = remedies.with_remedies(plan, result, book, years=years, rules_dir=rules)
    except licensing.LicensingError as error:
        raise RefusedError(*str(error).splitlines()) from None
    if plan is not None and day is None:
        from layout import results

        results.write_result(plan, RESULT_NAME, result.to_json().encode())
    emit_text(result.to_json() if as_json else licensing.text(result, detail=detail))
    raise typer.Exit(result.exit_code)


def _planned(source: Path) -> PlanFolder:
    from layout import folder

    return folder.read_planned(source)


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RefusedError(f"--as-of: 日付が正しくありません（{text}）。YYYY-MM-DD の形で書いてください") from None
