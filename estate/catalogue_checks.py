"""References and sizes inside a catalogue that contradict each other."""

from __future__ import annotations

from collections.abc import Sequence

from .base_records import Window
from .catalogue_records import Catalogue, Job, System
from .circles import circles
from .known import Known, unknown
from .places import Step, find
from .problems import shown
from .validation import Document


def check(document: Document[Catalogue], known: Known) -> None:
    """Report what is wrong inside the catalogue (date rules apart)."""
    if document.record is None:
        return
    _classes(document, document.record)
    users = {
        job.window or system.window: f"{name}/{job_name}"
        for name, system in document.record.systems.items()
        for job_name, job in system.jobs.items()
    }
    for name, window in document.record.windows.items():
        _window(document, ["windows", name], window, users.get(name))
    for name, system in document.record.systems.items():
        _system(document, ["systems", name], name, system, known)
    _precedence(document, document.record)


def opens(window: Window) -> bool:
    """Whether the window is open on any kind of day."""
    spans = [window.business_day, window.closed_day, window.month_end, window.year_end]
    return any(span is not None for span in (*spans, *(e.span for e in window.exceptions)))


def _classes(document: Document[Catalogue], catalogue: Catalogue) -> None:
    if find(document.written, ["classes"]).node.value == []:
        document.report(["classes"], "人口区分が一つもありません。少なくとも一つ書いてください")
    largest, seen = 0, set()
    for index, item in enumerate(catalogue.classes):
        if item.id in seen:
            document.report(
                ["classes", index, "id"], f"人口区分「{item.id}」が重複しています。どちらかを消してください"
            )
        seen.add(item.id)
        if item.max_population <= largest:
            message = f"人口区分は小さい順に書いてください（{item.max_population:,} は前の {largest:,} より大きくない）"
            document.report(["classes", index, "max_population"], message)
        largest = max(largest, item.max_population)


def _window(document: Document[Catalogue], path: list[Step], window: Window, user: str | None) -> None:
    if user is not None and not opens(window):
        message = f"このバッチ枠はどの日にも開かないので、ジョブ{shown(user)}を実行できません。時間帯を書いてください"
        document.report(path, message, 3)
    for index, exception in enumerate(window.exceptions):
        if exception.from_ >= exception.until:
            message = (
                f"期間が逆か空です（{exception.from_} から {exception.until} の前日まで）。until を後の日にしてください"
            )
            document.report([*path, "exceptions", index, "until"], message)


def _system(document: Document[Catalogue], path: list[Step], name: str, system: System, known: Known) -> None:
    for field in ("window", "service_hours"):
        window = getattr(system, field)
        if window not in known.windows:
            document.report([*path, field], unknown("バッチ枠", window, known.windows))
    for role_name, role in system.roles.items():
        here: list[Step] = [*path, "roles", role_name]
        for field in ("vcpu", "memory_gib", "disk_gib", "replicas"):
            sizes = getattr(role.size, field)
            _sizes(document, [*here, "size", field], sizes, known, complete=field != "replicas")
        if role.online is not None and role.online.profile not in known.profiles:
            message = unknown("負荷の型", role.online.profile, known.profiles)
            document.report([*here, "online", "profile"], message)
    for job_name, job in system.jobs.items():
        _job(document, [*path, "jobs", job_name], system, job, known)


def _sizes(
    document: Document[Catalogue], path: list[Step], sizes: dict[str, object], known: Known, *, complete: bool
) -> None:
    for name in sizes:
        if name not in known.classes:
            document.report([*path, name], unknown("人口区分", name, known.classes), key=True)
    missing = sorted(known.classes - set(sizes))
    if complete and missing:
        document.report(path, f"人口区分 {'、'.join(missing)} の大きさがありません。すべての区分に書いてください")


def _job(document: Document[Catalogue], path: list[Step], system: System, job: Job, known: Known) -> None:
    system_name = str(path[1])
    roles = known.systems[system_name].roles
    if job.role not in roles:
        document.report([*path, "role"], unknown("役割", job.role, roles))
    if job.work.unit not in known.units:
        document.report([*path, "work", "unit"], unknown("単位", job.work.unit, known.units))
    if job.window is not None and job.window not in known.windows:
        document.report([*path, "window"], unknown("バッチ枠", job.window, known.windows))
    for index, after in enumerate(job.after):
        if after.lag_business_h > 0:
            message = "営業時間で数える間隔には対応していません。経過時間 lag_h で書いてください"
            document.report([*path, "after", index, "lag_business_h"], message)
        _reference(document, [*path, "after", index], after.system or system_name, after.job, known)


def _reference(document: Document[Catalogue], path: Sequence[Step], system: str, job: str, known: Known) -> None:
    if system not in known.systems:
        document.report([*path, "system"], unknown("業務システム", system, known.systems))
    elif job not in known.systems[system].jobs:
        document.report([*path, "job"], unknown(f"{system} のジョブ", job, known.systems[system].jobs))


def _precedence(document: Document[Catalogue], catalogue: Catalogue) -> None:
    """Circles among `after`, by name of the jobs."""
    edges = {
        (name, job_name): [(after.system or name, after.job) for after in job.after]
        for name, system in catalogue.systems.items()
        for job_name, job in system.jobs.items()
    }
    for circle in circles(edges):
        system, job = circle[0]
        following = circle[1 % len(circle)]
        index = edges[circle[0]].index(following)
        named = " → ".join("/".join(node) for node in (*circle, circle[0]))
        message = f"先行ジョブが循環しています（{named}）。after を一つ外してください"
        document.report(["systems", system, "jobs", job, "after", index], message)
