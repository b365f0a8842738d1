"""Are the stated bounds of the plan in order: figures as counted, gap by its formula, bound not above the plan?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

from layout.records import Bound

from .findings import Findings
from .load import SiteLoads
from .view import View

_TOLERANCE = 1e-6


def check(view: View, loads: SiteLoads) -> Findings:
    """Violations, per site that carries VMs: a bound that is missing, wrong, or above what the plan reached."""
    found = Findings()
    bounds = view.folder.layout.bounds
    for key, count in Counter((bound.site, bound.resource) for bound in bounds).items():
        if count > 1:
            found.add(f"拠点 {key[0]}: {key[1]} の下限が {count} 回あります")
    by_key = {(bound.site, bound.resource): bound for bound in bounds}
    for site in loads.sites:
        load = loads.of_site(site, loads.after)
        reached: dict[Literal["cpu_peak_cores", "hosts"], list[float]] = {
            "cpu_peak_cores": [
                float(load.max(initial=0.0)),
                float(load[: view.horizon_us // 600_000_000].max(initial=0.0)),
            ],
            "hosts": [float(count) for count in _hosts(view, site)],
        }
        for resource, values in reached.items():
            bound = by_key.get((site, resource))
            if bound is None:
                if max(values) <= _TOLERANCE:
                    continue
                found.add(f"拠点 {site}: {resource} の下限がありません")
            else:
                found.add_all(_figures(bound, values))
    for peak in view.folder.run.peaks:
        bound = by_key.get((peak.site, "cpu_peak_cores"))
        if bound is not None and abs(bound.lower_bound - peak.bound_cores) > _TOLERANCE:
            found.add(f"拠点 {peak.site}: run.json の下限 {peak.bound_cores:g} が {bound.lower_bound:g} と違います")
    return found


def _hosts(view: View, site: str) -> tuple[int, int]:
    """Hosts that carry VMs, plus the reserve of the policy; and with every host that is kept empty."""
    carrying = {vm.host for vm in view.folder.layout.vms}
    kept_empty = {host.id for host in view.folder.estate.hosts if host.spare}
    here = [host for host in view.folder.layout.hosts if host.site == site]
    used = sum(host.id in carrying for host in here)
    spare = [host.id for host in here if host.spare and host.id not in carrying]
    return used + sum(name not in kept_empty for name in spare), used + len(spare)


def _figures(bound: Bound, values: list[float]) -> Iterator[str]:
    what = f"拠点 {bound.site}: {bound.resource} の"
    if min(abs(bound.plan - value) for value in values) > _TOLERANCE:
        yield f"{what}計画値 {bound.plan:.6f} が、計算し直した {values[0]:.6f} と違います"
    if bound.lower_bound > bound.plan + _TOLERANCE:
        yield f"{what}下限 {bound.lower_bound:.6f} が計画値 {bound.plan:.6f} を超えています"
    if bound.lower_bound < 0 or not bound.proof.strip():
        yield f"{what}下限に根拠がないか、負の値です"
    elif bound.lower_bound == 0:
        if bound.plan > _TOLERANCE or bound.gap != 0:
            yield f"{what}下限が 0 なので差を計算できません"
    elif abs(bound.gap - (bound.plan - bound.lower_bound) / bound.lower_bound) > 1e-9 * (1 + abs(bound.gap)):
        yield f"{what}差 {bound.gap:.6f} が（計画値 − 下限）÷ 下限 と違います"
