"""`kumiai license split`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .licence_options import Prices, Rate, Rules, Years
from .terminal import RefusedError, emit_text

RESULT_NAME = "bill.json"


def split(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="計画フォルダー")],
    years: Years = 5,
    prices: Prices = None,
    rate: Rate = None,
    splits: Annotated[Path | None, typer.Option("--splits", metavar="DIR", help="追加の負担方法のフォルダー")] = None,
    rules: Rules = None,
    licence_split: Annotated[
        str,
        typer.Option("--licence-split", metavar="METHOD", help="ライセンスの負担方法 (use、equal、shapley など)"),
    ] = "use",
    tax_rate: Annotated[str, typer.Option("--tax-rate", metavar="RATE", help="消費税率")] = "0.10",
    detail: Annotated[bool, typer.Option("--detail", help="費目ごとに、団体と年度の表も示す")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON で出力する")] = False,
) -> None:
    """契約期間の費用と、どの団体がいくら負担するかを示す。"""
    import licensing
    from layout import folder, results
    from licensing import billing, pricing, splitting

    if not source.is_dir():
        raise RefusedError(f"{source}: 計画フォルダーがありません")
    plan = folder.read_planned(source)
    try:
        rates = pricing.exchange_rates(rate or ())
        book = pricing.load(prices, rates, rules_dir=rules)
        methods = splitting.load(splits, billing.payers(plan.estate))
        licences = licensing.count(
            plan.layout,
            fiscal_year=plan.layout.estate.fiscal_year,
            entitlements=None,  # what is needed is billed, whatever is held
            rules_dir=rules,
            layout_digest=plan.layout_digest,
            residents=billing.residents(plan.estate),
        )
        result = billing.bill(
            plan,
            licences,
            book,
            years=years,
            methods=methods,
            licence_split=licence_split,
            tax_rate=pricing.ratio(tax_rate, "--tax-rate"),
            rules_dir=rules,
        )
    except licensing.LicensingError as error:
        raise RefusedError(*error.problems) from None
    results.write_result(plan, RESULT_NAME, result.to_json().encode())
    emit_text(result.to_json() if as_json else billing.text(result, detail=detail))
