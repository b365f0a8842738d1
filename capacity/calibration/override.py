"""Calibrated numbers as YAML that is pasted into an estate file or a catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterable

from .fit import Calibration, JobFit
from .robust import Estimate

LONGEST_SOURCE = 400
"""As the estate limits a text (estate/base_records.py)."""


def measured_block(calibration: Calibration) -> str:
    """The `measured:` block of an estate file; empty where nothing was calibrated."""
    if not calibration.fits:
        return ""
    return "measured:\n" + "".join(_entry(fit, calibration.source) for fit in calibration.fits)


def _entry(fit: JobFit, source: str) -> str:
    tenant = [f"tenant: {quoted(fit.tenant)}"] if fit.tenant else []
    fields = [
        *tenant,
        f"system: {quoted(fit.system)}",
        f"job: {quoted(fit.job)}",
        f"fixed_s: {rounded(fit.fixed_s.value)}",
        f"cpu_s_per_unit: {rounded(fit.cpu_s_per_unit.value)}",
    ]
    text = (
        f"{fit.rows} 行の実行記録、{fit.first_day}～{fit.last_day}、Theil-Sen 回帰、95 % 区間 "
        f"fixed_s {_range(fit.fixed_s)}、cpu_s_per_unit {_range(fit.cpu_s_per_unit)}、"
        f"外れ値 {len(fit.outliers)} 行、{source}"
    )
    lines = f"  - {{{', '.join(fields)},\n     source: {quoted(text[:LONGEST_SOURCE])}}}\n"
    if fit.cores is None:
        return lines
    remark = f"{fit.cores:g} コアで測った値。カタログの max_cores が違うときは overrides の jobs に max_cores を書く"
    return f"  # {remark}\n{lines}"


def remarks(fits: Iterable[JobFit]) -> list[str]:
    """What a reader must know about how the numbers were found."""
    return [f"{label(fit.tenant, fit.system, fit.job)}：{remark}" for fit in fits for remark in fit.remarks]


def label(tenant: str | None, system: str, job: str) -> str:
    """A job of a tenant, as messages name it."""
    return f"{tenant or '全団体'} {system}/{job}"


def rounded(value: float) -> str:
    """Four digits: more than any log is worth. Plain decimals, which YAML reads as numbers."""
    return f"{float(f'{value:.4g}'):.12f}".rstrip("0").rstrip(".")


def quoted(text: str) -> str:
    """A text as a YAML double-quoted scalar (JSON's strings are such)."""
    return json.dumps(text, ensure_ascii=False)


def _range(estimate: Estimate) -> str:
    return f"{rounded(estimate.low)}～{rounded(estimate.high)}"
