"""`summary.json` of a simulated estate: verdict, runs, seconds, and the figures of each site."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from .figures import SiteFigures
from .study import STAGES, Study
from .templates import Templates

FORMAT_VERSION = "1.0"
FILE = "summary.json"
_SHOWN_JOBS = 20
_DIGITS = 6


def document(templates: Templates, study: Study, *, engine: str, workers: int) -> dict[str, Any]:
    """The summary as plain data. Sites are in the order of the estate file; times are +09:00."""
    estate = templates.survey.estate
    order = {site.id: number for number, site in enumerate(estate.sites)}
    sites = sorted(study.sites, key=lambda site: order[site.site])
    late = Counter[str]()
    for site in sites:
        late.update(site.late_jobs)
    worst = max(sites, key=lambda site: site.latest_s, default=None)
    return {
        "format_version": FORMAT_VERSION,
        "verdict": verdict(sites, study, names(templates)),
        "estate": {"name": estate.name, "digest": estate.digest, "fiscal_year": estate.fiscal_year},
        "from": templates.calendar.start.isoformat(),
        "until": templates.calendar.end.isoformat(),
        "engine": engine,
        "interrupted": study.interrupted,
        "tenants": len(templates.survey.tenants),
        "runs": study.runs,
        "runs_of_estate": templates.runs(),
        "late_runs": sum(site.late_runs for site in sites),
        "never_started": sum(site.never_started for site in sites),
        "latest": None if worst is None or not worst.latest_run else _latest(worst),
        "late_jobs": dict(late.most_common(_SHOWN_JOBS)),
        "event_loop_s": round(study.stages.clock_s["event_loop"] / workers, 3),
        "stages": {
            name: {"clock_s": round(study.stages.clock_s[name], 3), "cpu_s": round(study.stages.cpu_s[name], 3)}
            for name in STAGES
        },
        "workers": workers,
        "rules": {
            "start": "earliest: windows, precedence, exclusivity and slots are kept, nothing is levelled",
            "placement": "first fit per site by memory, highest vCPU and disk; reserve and anti-affinity kept",
            "exclusive": "an exclusive run waits for the runs of its system that are ready before it, and later ones"
            " for it",
            "storage": "io_mib, transfers to the backup site and printing take no time",
            "business_hours": "a lag in business hours counts as so many hours",
            "peak": "cores per 600-second slot; a run's work evenly over its working time, online load as wanted",
        },
        "sites": {site.site: _site(site, templates) for site in sites},
    }


def names(templates: Templates) -> Mapping[str, str]:
    """Japanese names by `tenant`, `system/` and `system/job`."""
    found = {tenant.id: tenant.name for tenant in templates.survey.tenants}
    found |= {tenant.id: tenant.name for tenant in templates.survey.estate.tenants}
    found |= {f"{system.id}/": system.name for system in templates.survey.estate.systems}
    found |= {f"{job.system}/{job.job}": job.name for job in templates.survey.estate.jobs}
    return found


def verdict(sites: list[SiteFigures], study: Study, known: Mapping[str, str]) -> str:
    """The line that answers the question: does everything end in time without a plan?"""
    missing = "（中断：終わった拠点だけの結果）" if study.interrupted else ""
    late, never = sum(site.late_runs for site in sites), sum(site.never_started for site in sites)
    if not late:
        return f"判定：計画なしで全 {study.runs:,} 件が期限内に終わります{missing}"
    worst = max(sites, key=lambda site: site.latest_s)
    text = f"判定：計画なしでは {study.runs:,} 件のうち {late:,} 件が枠か期限に遅れます"
    if never:
        text += f"（うち {never:,} 件は始まりません）"
    if worst.latest_run:
        tenant, system, job, day = worst.latest_run.split("/")
        name = f"{known[tenant]} {known[f'{system}/']} {known[f'{system}/{job}']}"
        text += f"。最大 {worst.latest_s / 60:,.0f} 分（{name}、{day}）"
    return text + missing


def _latest(site: SiteFigures) -> dict[str, Any]:
    return {"run": site.latest_run, "late_s": round(site.latest_s, 3)}


def _site(site: SiteFigures, templates: Templates) -> dict[str, Any]:
    shares = list(site.utilisation.values())
    peak_at = templates.calendar.start + timedelta(seconds=site.peak_at_s)
    return {
        "tenants": site.tenants,
        "vms": site.vms,
        "runs": site.runs,
        "late_runs": site.late_runs,
        "never_started": site.never_started,
        "hosts": site.hosts,
        "hosts_used": site.hosts_used,
        "peak_cores": round(site.peak_cores, _DIGITS),
        "peak_at": peak_at.isoformat(),
        "utilisation_mean": round(sum(shares) / max(len(shares), 1), _DIGITS),
        "utilisation_most": round(max(shares, default=0.0), _DIGITS),
        "utilisation": {host: round(share, _DIGITS) for host, share in site.utilisation.items()},
    }
