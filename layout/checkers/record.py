"""Does run.json tell the truth: which files it belongs to, and whether the plan fits?"""

from __future__ import annotations

from collections.abc import Mapping

from .findings import Findings
from .view import View


def check_digest(view: View) -> Findings:
    """Violations: digests, name or year that differ between estate.json, layout.json and run.json."""
    folder = view.folder
    estate, reference, run = folder.estate, folder.layout.estate, folder.run
    found = Findings()
    if run.layout_digest != folder.layout_digest:
        found.add(f"run.json の layout_digest {run.layout_digest[:12]}… が {folder.layout_digest[:12]}… と違います")
    if run.estate_json_digest != folder.estate_json_digest:
        found.add("estate.json が計画の後で書き換えられています（run.json の estate_json_digest と違います）")
    if not run.estate_digest == reference.digest == estate.digest:
        found.add("対象データの digest が estate.json、layout.json、run.json で揃っていません")
    if (reference.name, reference.fiscal_year) != (estate.name, estate.fiscal_year):
        found.add(f"layout.json の名前と年度（{reference.name}、{reference.fiscal_year}）が estate.json と違います")
    return found


def check_fits(view: View, others: Mapping[str, Findings]) -> Findings:
    """Violations: `fits` although a checker refuses or a misfit is named; or not `fits` without any reason."""
    run = view.folder.run
    refused = [name for name, findings in others.items() if findings.count]
    recorded = [verdict.checker for verdict in run.checks if not verdict.passed]
    found = Findings()
    if run.verdict.startswith("判定：適合") != run.fits:
        found.add(f"fits が {run.fits} なのに、判定の文は「{run.verdict[:40]}」です")
    if run.fits:
        if run.misfits:
            found.add(f"fits が真なのに、収まらない理由が {len(run.misfits)} 件あります")
        if refused:
            found.add(f"fits が真なのに、検査 {'、'.join(refused)} が違反を見つけました")
        if recorded:
            found.add(f"fits が真なのに、run.json に不合格の検査 {'、'.join(recorded)} があります")
    elif not (run.misfits or refused or recorded):
        found.add("fits が偽なのに、収まらない理由が一つもありません")
    return found
