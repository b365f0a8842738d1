"""Dates that say nothing, contradict themselves, refer to nothing or turn in a circle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from . import recurrence
from .base_records import DateRule
from .case import Case
from .circles import circles
from .findings import maybe
from .known import Known
from .places import Step
from .problems import shown
from .records import EstateFile
from .validation import Document

AnyDocument = Document[Any]  # these checks do not care which record the document holds
Name = tuple[str, ...]
"""`("event", id)` or `("job", system, job)`."""


def check(case: Case) -> None:
    """Report every wrong date rule of the estate file and its catalogue, and circles between them."""
    first = case.year[0]
    edges: dict[Name, list[Name]] = {}
    places: dict[Name, tuple[AnyDocument, list[Step]]] = {}
    for document, path, rule, owner in _rules(case):
        _rule(document, path, rule, first)
        if rule.relative_to is None:
            continue
        target = _target(rule.relative_to, owner, case.known)
        if target is None:
            _unknown(document, [*path, "relative_to"], rule.relative_to, owner, case.known)
        elif path[-1] != "latest":
            edges[owner] = [target]
            places[owner] = (document, [*path, "relative_to"])
    for circle in circles(edges):
        document, where = places[circle[0]]
        _report_circle(document, where, circle)
    _overridden_circles(case, edges)


def _rules(case: Case) -> Iterator[tuple[AnyDocument, list[Step], DateRule, Name]]:
    """Every date rule that stands for the whole estate: document, path, rule, and what it dates."""
    for index, event in enumerate(case.file.events):
        yield case.estate, ["events", index], event, ("event", event.id)
    if case.catalogue is None or case.catalogue.record is None:
        return
    own = {event.id for event in case.file.events}
    for name, dated in case.catalogue.record.events.items():
        if name not in own:
            yield case.catalogue, ["events", name], dated, ("event", name)
    for system, record in case.catalogue.record.systems.items():
        for job, body in record.jobs.items():
            path: list[Step] = ["systems", system, "jobs", job]
            yield case.catalogue, [*path, "when"], body.when, ("job", system, job)
            if body.latest is not None:
                yield case.catalogue, [*path, "latest"], body.latest, ("job", system, job)


def _overridden(file: EstateFile) -> Iterator[tuple[list[Step], DateRule, str, str]]:
    holders: list[tuple[list[Step], str, object]] = []
    for index, tenant in enumerate(file.tenants):
        holders += [(["tenants", index, "overrides", name], name, body) for name, body in tenant.overrides.items()]
    holders += [(["shared", i, "overrides"], s.system, s.overrides) for i, s in enumerate(file.shared) if s.overrides]
    for path, system, body in holders:
        for job, override in getattr(body, "jobs", {}).items():
            for name in ("when", "latest"):
                rule = getattr(override, name)
                if rule is not None:
                    yield [*path, "jobs", job, name], rule, system, job


def _overridden_circles(case: Case, edges: dict[Name, list[Name]]) -> None:
    changed: dict[tuple[Step, ...], dict[Name, tuple[list[Step], Name | None]]] = {}
    for path, rule, system, job in _overridden(case.file):
        _rule(case.estate, path, rule, case.year[0])
        owner: Name = ("job", system, job)
        target = None
        if rule.relative_to is not None:
            target = _target(rule.relative_to, owner, case.known)
            if target is None:
                _unknown(case.estate, [*path, "relative_to"], rule.relative_to, owner, case.known)
        if path[-1] == "when":
            changed.setdefault(tuple(path[:2]), {})[owner] = (path, target)
    for overrides in changed.values():
        if not any(target is not None and target[0] == "job" for _, target in overrides.values()):
            continue
        own = edges | {owner: [target] if target else [] for owner, (_, target) in overrides.items()}
        for circle in circles(own):
            mine = [node for node in circle if node in overrides]
            if mine:
                _report_circle(case.estate, [*overrides[mine[0]][0], "relative_to"], circle)


def _rule(document: AnyDocument, path: Sequence[Step], rule: DateRule, first: date) -> None:
    given = [
        name
        for name, value in (("date", rule.day), ("rrule", rule.rrule), ("relative_to", rule.relative_to))
        if value is not None
    ]
    if len(given) != 1:
        found = "と".join(given) if given else "どれもない"
        document.report(path, f"date、rrule、relative_to のうち一つだけを書いてください（{found}）")
    if rule.day is not None and not 1989 <= rule.day.year <= 2300:
        document.report([*path, "date"], f"{rule.day} は計画できる年（1989 から 2300）の外です。年を確かめてください")
    if rule.rrule is None:
        return
    try:
        recurrence.check(rule.rrule)
    except recurrence.RecurrenceError as error:
        document.report([*path, "rrule"], str(error))
        return
    days = recurrence.days(rule.rrule, first)
    if not days:
        never = f"この rrule は {first} からの 10 年に一度も当たりません（{shown(rule.rrule)}）"
        message = f"{never}。月と日の組を確かめてください"
        document.report([*path, "rrule"], message)
    elif rule.only == "business_day" and rule.offset.split()[0].strip("+-0") == "" and all(map(_surely_closed, days)):
        message = (
            f"この rrule の日はすべて閉庁日なので、only: business_day では一度も当たりません（{shown(rule.rrule)}）"
        )
        document.report([*path, "only"], message)


def _surely_closed(day: date) -> bool:
    return day.weekday() >= 5 or (day.month, day.day) >= (12, 29) or (day.month, day.day) <= (1, 3)


def _target(name: str, owner: Name, known: Known) -> Name | None:
    """What `relative_to` names, seen from a rule of `owner`; None where there is no such thing."""
    if name in known.events:
        return ("event", name)
    if owner[0] != "job":
        return None
    system, job = name.split("/", 1) if "/" in name else (owner[1], name)
    if system in known.systems and job in known.systems[system].jobs:
        return ("job", system, job)
    return None


def _unknown(document: AnyDocument, path: Sequence[Step], name: str, owner: Name, known: Known) -> None:
    candidates = set(known.events)
    if owner[0] == "job":
        candidates |= {f"{system}/{job}" for system, body in known.systems.items() for job in body.jobs}
        if owner[1] in known.systems:
            candidates |= known.systems[owner[1]].jobs
    hint = maybe(name, candidates)
    document.report(path, f"relative_to の先{shown(name)}がありません{hint}")


def _report_circle(document: AnyDocument, path: Sequence[Step], circle: list[Name]) -> None:
    named = [node[1] if node[0] == "event" else f"{node[1]}/{node[2]}" for node in (*circle, circle[0])]
    document.report(
        path, f"日付の参照が循環しています（{' → '.join(named)}）。どれか一つを date か rrule にしてください"
    )
