"""Which numbers of an estate rest on no published source (仮定値)?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .base_records import DateRule, Sourced
from .batch import NO_JOB_OVERRIDE, Measurements, enabled, window_of
from .catalogue_records import Catalogue
from .disturbance_records import Disturbances
from .records import EstateFile
from .resolved import Assumption
from .sizing import Deployment

_Named = tuple[str, str, Sourced]
"""Path, what it is, the record."""


def list_assumptions(
    file: EstateFile, catalogue: Catalogue, deployments: Iterable[Deployment], measurements: Measurements
) -> tuple[Assumption, ...]:
    """Every assumed record that this estate really uses, once, in order of first use.

    A work record that a measurement replaces for everybody is not listed. Lists of systems with a confidence below
    high are listed too: whether the tenant uses these systems is itself assumed.
    """
    found: dict[str, Assumption] = {}
    for path, what, record in _used(file, catalogue, deployments, measurements):
        if record.basis == "assumed" and path not in found:
            found[path] = Assumption(path=path, what=what, basis=record.basis, source=record.source)
    for tenant in file.tenants:
        if tenant.systems.confidence in ("low", "medium"):
            path = f"tenants.{tenant.id}.systems"
            what = f"{tenant.name} の業務システム一覧（確度 {tenant.systems.confidence}）"
            source = tenant.systems.source or "estate file"
            found[path] = Assumption(path=path, what=what, basis="assumed", source=source)
    return tuple(found.values())


def _used(
    file: EstateFile, catalogue: Catalogue, deployments: Iterable[Deployment], measurements: Measurements
) -> Iterator[_Named]:
    for model_id in dict.fromkeys(host.model for host in file.hosts):
        model = catalogue.host_models[model_id]
        yield f"host_models.{model_id}", f"ホスト機種 {model.name}", model
    seen_systems: set[str] = set()
    for deployment in deployments:
        if deployment.system_id not in seen_systems:
            seen_systems.add(deployment.system_id)
            yield from _of_system(catalogue, deployment, measurements)
        if deployment.override.window or deployment.override.jobs:
            yield from _of_override(catalogue, deployment)
    yield from _of_disturbances(catalogue, file)
    for event in file.events:
        yield f"events.{event.id}", event.name, event
    for cost in file.costs:
        # Cost items are no Sourced records (they carry the same two fields), so they are wrapped.
        yield f"costs.{cost.id}", f"費目 {cost.name}", Sourced(basis=cost.basis, source=cost.source)
    for current in file.current_costs:
        found = Sourced(basis=current.basis, source=current.source)
        yield f"current_costs.{current.id}", f"現行費用 {current.name}", found


def _of_system(catalogue: Catalogue, deployment: Deployment, measurements: Measurements) -> Iterator[_Named]:
    system, system_path = deployment.system, f"systems.{deployment.system_id}"
    yield from _window(catalogue, system.service_hours)
    for role_id, role in system.roles.items():
        path = f"{system_path}.roles.{role_id}"
        yield f"{path}.size", f"{system.name} {role.name} の VM 規模", role.size
        if role.online:
            yield f"{path}.online", f"{system.name} {role.name} のオンライン負荷", role.online
            profile = catalogue.online_profiles[role.online.profile]
            yield f"online_profiles.{role.online.profile}", f"負荷の形 {profile.name}", profile
    for job_id, job in system.jobs.items():
        path = f"{system_path}.jobs.{job_id}"
        if measurements.find(None, deployment.system_id, job_id) is None:
            yield f"{path}.work", f"{system.name} {job.name} の処理量", job.work
        unit = catalogue.units[job.work.unit]
        yield f"units.{job.work.unit}", f"住民1人あたりの{unit.name}", unit
        yield from _rule(catalogue, f"{path}.when", f"{system.name} {job.name} の実施日", job.when)
        if job.latest:
            yield from _rule(catalogue, f"{path}.latest", f"{system.name} {job.name} の期限", job.latest)
        if enabled(deployment, job_id):
            override = deployment.override.jobs.get(job_id, NO_JOB_OVERRIDE)
            yield from _window(catalogue, window_of(deployment, job, override))


def _of_override(catalogue: Catalogue, deployment: Deployment) -> Iterator[_Named]:
    root = f"tenants.{deployment.tenant}.overrides.{deployment.system_id}"
    if deployment.override.window:
        yield from _window(catalogue, deployment.override.window)
    for job_id, override in deployment.override.jobs.items():
        job = deployment.system.jobs[job_id]
        label = f"{deployment.tenant} {deployment.system.name} {job.name}"
        path = f"{root}.jobs.{job_id}"
        if override.when:
            yield from _rule(catalogue, f"{path}.when", f"{label} の実施日", override.when)
        if override.latest:
            yield from _rule(catalogue, f"{path}.latest", f"{label} の期限", override.latest)
        if override.window:
            yield from _window(catalogue, override.window)
        if override.fixed_s is not None or override.cpu_s_per_unit is not None:
            # The estate file states the number without a source, so it counts as assumed.
            yield path, f"{label} の処理量", Sourced(basis="assumed", source="estate file")


_DISTURBANCES = {
    "late_start": "職員の確認による開始の遅れ",
    "failed_run": "処理の失敗と再実行",
    "host_failure": "ホストの故障",
    "site_loss": "拠点の喪失",
    "emergency": "災害後のオンライン負荷",
    "printing": "印刷の能力",
    "line": "バックアップ拠点への回線",
    "growth": "年々の伸び",
    "service_level": "サービス水準",
    "overload": "過負荷とみなす割合",
}
"""What each block of the disturbances is called."""


def _of_disturbances(catalogue: Catalogue, file: EstateFile) -> Iterator[_Named]:
    own = file.disturbances.model_fields_set
    disturbances: Disturbances = catalogue.disturbances.overridden_by(file.disturbances)
    for name, what in _DISTURBANCES.items():
        block: Sourced | None = getattr(disturbances, name)
        if block is not None:
            # The estate's own blocks are told from the catalogue's by their place.
            yield f"{'estate file: ' if name in own else ''}disturbances.{name}", f"乱れの大きさ：{what}", block


def _rule(catalogue: Catalogue, path: str, what: str, rule: DateRule) -> Iterator[_Named]:
    yield path, what, rule
    event = catalogue.events.get(rule.relative_to or "")
    if event:
        yield f"events.{rule.relative_to}", event.name, event


def _window(catalogue: Catalogue, window_id: str) -> Iterator[_Named]:
    yield f"windows.{window_id}", f"時間帯 {window_id}", catalogue.windows[window_id]
