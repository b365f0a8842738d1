"""`kumiai license count --with`: would a change that nobody has made yet need more licences than are held?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from .terminal import OK, UNFIT, RefusedError, emit, emit_json

if TYPE_CHECKING:
    from layout.licence_records import LicenceResult


def count_if(
    source: Path,
    as_of: str | None,
    rules: Path | None,
    changes: Sequence[str],
    baseline: Sequence[str],
    *,
    as_json: bool,
) -> NoReturn:
    """Says which violations the change would bring, and ends with 3 where there are any. Writes nothing.

    Violations that the layout has without the change are not held against it.
    """
    import licensing
    from layout import folder, layout_file, what_if

    if not source.is_dir():
        raise RefusedError(f"{source}: --with には計画フォルダーが要ります（保有数と比べるため）")
    plan = folder.read_planned(source)
    day = None if as_of is None else _day(as_of)

    def counted(some: Sequence[str]) -> LicenceResult:
        layout = what_if.changed(plan.layout, some)
        return licensing.count(
            layout,
            fiscal_year=layout.estate.fiscal_year,
            entitlements=plan.estate.entitlements,
            as_of=day,
            rules_dir=rules,
            layout_digest=layout_file.layout_digest(layout),
            residents={tenant.id: tenant.population for tenant in plan.estate.tenants},
        )

    try:
        before, after = counted(baseline), counted(changes)
    except licensing.LicensingError as error:
        raise RefusedError(*str(error).splitlines()) from None
    grown = what_if.grown(before.violations, after.violations)
    said = f"新たな違反 {len(grown)} 件 — {grown[0].because}" if grown else "新たな違反はありません"
    verdict = f"判定：{'不適合' if grown else '適合'} — この変更による{said}"
    if as_json:
        emit_json(
            {
                "format_version": "1.0",
                "verdict": verdict,
                "changes": list(changes),
                "baseline": list(baseline),
                "new_violations": [json.loads(each.model_dump_json(by_alias=True)) for each in grown],
                "result": json.loads(after.to_json()),
            }
        )
    else:
        emit(verdict)
        for each in grown[1:]:
            emit(f"  {each.because}")
    raise typer.Exit(UNFIT if grown else OK)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise RefusedError(f"--as-of: 日付が正しくありません（{text}）。YYYY-MM-DD の形で書いてください") from None
