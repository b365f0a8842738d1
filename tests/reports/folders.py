"""Small plan folders with saved results, for the report's tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from layout import folder, results
from layout.folder import FolderContents, PlanFolder
from layout.records import CheckVerdict
from tests.layout.builder import Builder

CASES = Path(__file__).parents[1] / "cases" / "reports"
HOSTILE = "<script>document.title='owned'</script>\"'><img src=x onerror=document.title='owned'>&amp;\u202e{{7*7}}"
ASSUMPTIONS = [
    {"path": "systems.s00.jobs.nightly.work", "what": "夜間 の処理量", "basis": "assumed", "source": "試験用"},
    {"path": "systems.s00.roles.ap.size", "what": "AP の VM 規模", "basis": "assumed", "source": "試験用"},
    {"path": "tenants.t00.systems", "what": "業務システム一覧（確度 low）", "basis": "assumed", "source": "試験用"},
]


def contents(**options) -> FolderContents:
    """The builder's folder with Japanese names, assumptions, confidence and checkers' verdicts."""
    plain = Builder(**options).contents()
    estate = plain.estate
    tenants = tuple(
        tenant.model_copy(update={"name": name, "population_basis": "住民基本台帳"})
        for tenant, name in zip(estate.tenants, ("延岡市", "日田市", *(f"第{n}町" for n in range(3, 99))), strict=False)
    )
    confidence = {tenant.id: "medium" for tenant in tenants} | {tenants[0].id: "low"}
    systems = tuple(
        system.model_copy(update={"name": f"業務 {system.id}", "confidence": confidence[system.tenant]})
        for system in estate.systems
    )
    assumption = type(estate).model_fields["assumptions"].annotation.__args__[0]
    assumptions = tuple(assumption.model_validate(line) for line in ASSUMPTIONS)
    checks = (CheckVerdict(checker="windows", passed=True),
              CheckVerdict(checker="capacity", passed=False, violations=("ホスト kvm01: 例",), count=1))  # fmt: skip
    run = plain.run.model_copy(
        update={
            "checks": checks,
            "versions": {"python": "3.11"},
            "timings_s": {"平準化": 1.25},
            "verdict": "判定：適合 — 例",
        }
    )
    estate = estate.model_copy(update={"tenants": tenants, "systems": systems, "assumptions": assumptions,
                                       "warnings": ("拠点が一つしかありません",)})  # fmt: skip
    return replace(plain, estate=estate, run=run)


def with_results(plan: PlanFolder) -> PlanFolder:
    """Saves the cases' licence count, bill and simulation in the folder."""
    for name in ("licences.json", "bill.json", "simulation/lateness.json"):
        results.write_result(plan, name, (CASES / Path(name).name).read_bytes())
    return plan


def write(path: Path, **options) -> PlanFolder:
    """A folder with both results."""
    return with_results(folder.write(path, contents(**options)))


def hostile(path: Path) -> PlanFolder:
    """A folder in which every free text is an attack."""
    plain = contents()
    estate = plain.estate.model_copy(update={
        "name": HOSTILE,
        "tenants": tuple(t.model_copy(update={"name": HOSTILE + t.id, "population_basis": HOSTILE})
                         for t in plain.estate.tenants),
        "systems": tuple(s.model_copy(update={"name": HOSTILE}) for s in plain.estate.systems),
        "jobs": tuple(j.model_copy(update={"name": HOSTILE}) for j in plain.estate.jobs),
        "sites": tuple(s.model_copy(update={"name": HOSTILE}) for s in plain.estate.sites),
        "assumptions": tuple(a.model_copy(update={"what": HOSTILE, "source": HOSTILE, "path": HOSTILE})
                             for a in plain.estate.assumptions),
        "warnings": (HOSTILE,),
    })  # fmt: skip
    layout = plain.layout.model_copy(update={
        "bounds": tuple(b.model_copy(update={"proof": HOSTILE}) for b in plain.layout.bounds),
        "hosts": tuple(h.model_copy(update={"model": HOSTILE}) for h in plain.layout.hosts),
    })  # fmt: skip
    checks = (CheckVerdict(checker=HOSTILE, passed=False, violations=(HOSTILE,), count=1),)
    run = plain.run.model_copy(update={
        "verdict": HOSTILE, "checks": checks, "versions": {HOSTILE: HOSTILE}, "timings_s": {HOSTILE: 1.0},
        "kumiai_version": HOSTILE,
    })  # fmt: skip
    plan = folder.write(path, replace(plain, estate=estate, layout=layout, run=run))
    for name in ("licences.json", "bill.json"):
        text = (CASES / name).read_text(encoding="utf-8")
        for innocent in (
            "t00-s00-ap-01",
            "PowerGres（OS 単位）",
            "コア",
            "日田市",
            "人口割",
            "例の価格表",
            "データ移行",
        ):
            text = text.replace(innocent, HOSTILE.replace("\\", "\\\\").replace('"', '\\"'))
        results.write_result(plan, name, text.encode())
    results.write_result(plan, "simulation/lateness.json", (CASES / "lateness.json").read_bytes())
    return plan
