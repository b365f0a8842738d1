"""A dry run for people: current against wanted per host, the preconditions, and the exact commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from runbooks.errors import Value
from runbooks.running.scope import target
from runbooks.running.survey import Planned, Survey
from runbooks.text import templates

STATES = {"done": "済み", "to do": "これから"}
UNREACHABLE = "届かないので分からない"  # why is said once per machine, at the top


def lines(survey: Survey, depth: int = 0) -> Iterator[str]:
    """The survey as indented lines."""
    pad = "  " * depth
    header = survey.scope.runbook.header
    yield f"{pad}{header.title}（{survey.scope.runbook.name}）　影響：{header.impact}"
    facts = [each for each in survey.found if each.is_fact]
    for each in facts:
        now = _value(each.current) if each.holds else f"不明（{UNREACHABLE if each.unreachable else each.said}）"
        wanted = "" if each.wanted is None else f" → {_value(each.wanted)}"
        same = "（同じ）" if each.holds and each.wanted is not None and each.current == each.wanted else ""
        yield f"{pad}  事実　{each.machine}：{each.title}：{now}{wanted}{same}"
    for each in survey.found:
        if not each.is_fact:
            broken = each.said if each.follows else f"満たさない — {each.said}"
            holds = "満たす" if each.holds else UNREACHABLE if each.unreachable else broken
            yield f"{pad}  前提　{each.machine}：{each.title}：{holds}"
    for number, step in enumerate(survey.steps, 1):
        if isinstance(step, Survey):
            yield f"{pad}  {number}. {step.called_by}"
            yield from lines(step, depth + 2)
        else:
            yield from _step(step, number, pad)


def _step(step: Planned, number: int, pad: str) -> Iterator[str]:
    item = f"{step.item}、" if step.item else ""
    mark = "【破壊的】" if step.destructive else ""
    state = UNREACHABLE if step.unreachable else STATES.get(step.state, step.state)
    yield f"{pad}  {number}. {mark}{step.title}（{item}{step.machine}）：{state}"
    secret = f"　（標準入力：秘密「{step.secret}」）" if step.secret else ""
    secret += f"　（標準入力：{step.input_from} の出力）" if step.input_from else ""
    for name, command in (
        ("確認", step.check),
        ("実施", step.apply + secret),
        ("検証", step.verify),
        ("戻す", step.rollback),
    ):
        if command:
            first, *rest = command.strip().splitlines()
            yield f"{pad}     {name}　{first}"
            yield from (f"{pad}     　　　{line}" for line in rest)
    if step.no_rollback:
        yield f"{pad}     戻す　なし：{step.no_rollback}"


def document(survey: Survey) -> dict[str, Any]:
    """The survey as plain data."""
    reach = survey.reach
    return {
        "runbook": survey.scope.runbook.name,
        "title": survey.scope.runbook.header.title,
        "target": target(survey.scope),
        "impact": survey.scope.runbook.header.impact,
        "hosts": list(reach.hosts),
        "vms": list(reach.vms),
        "tenants": list(reach.tenants),
        "destructive": survey.destructive,
        "facts": [
            {"machine": each.machine, "title": each.title, "command": each.command, "known": each.holds,
             "current": each.current, "wanted": _plain(each.wanted)}
            for each in survey.found if each.is_fact
        ],
        "preconditions": [
            {"machine": each.machine, "title": each.title, "command": each.command, "holds": each.holds,
             "reason": each.said}
            for each in survey.found if not each.is_fact
        ],
        "steps": [
            document(step) if isinstance(step, Survey) else {
                "key": step.key, "title": step.title, "machine": step.machine, "state": step.state,
                "check": step.check, "apply": step.apply, "verify": step.verify, "rollback": step.rollback,
                "no_rollback": step.no_rollback, "secret": step.secret, "input_from": step.input_from,
                 "destructive": step.destructive,
            }
            for step in survey.steps
        ],
    }  # fmt: skip


def _value(value: Value) -> str:
    if isinstance(value, (dict, list, tuple)):
        text = json.dumps(value, ensure_ascii=False, default=templates.plain)
        return text if len(text) <= 400 else f"{text[:400]}…"
    return "なし" if value is None else templates.plain(value)


def _plain(value: Value) -> Value:
    return json.loads(json.dumps(value, default=templates.plain))
