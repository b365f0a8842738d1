"""Reads what `pulumi preview --json` printed: the single document, or one event a line.

The second form comes with PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true.

Seen of engine 3.259.0: a resource of which nothing changes is left out of the single document, also when only its
`retain_on_delete` or its provider changed; a preview that failed says in its diagnostics alone what it did not get to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_BYTES = 64 * 2**20
PROJECT = "kumiai"
_URN = re.compile(r"urn:pulumi:([^:\s\"]+)::([^:\s\"]+)::([^\s\"]+?)::([^\s\"]+)")
_PROTECTED = re.compile(r"unable to (replace|delete) resource \"(urn:[^\"]+)\"")
_UNDELETABLE = re.compile(r"resource \"(urn:[^\"]+)\" cannot be deleted")


class PreviewError(Exception):
    """What was given is no preview, or not all of one. One Japanese line."""


@dataclass(frozen=True)
class Change:
    """What the preview says of one resource."""

    op: str
    urn: str
    kind: str
    """`Domain`, `Volume`, `Pool`, `Network`, `Stack`, `libvirt` (a provider), or the name of a component."""
    name: str
    owner: str = ""
    """Name of the component that it belongs to: a VM, or a host."""
    keys: tuple[str, ...] = ()
    """Names of the properties that change."""
    old: Mapping[str, Any] = field(default_factory=dict)
    """Inputs as they were."""
    new: Mapping[str, Any] = field(default_factory=dict)
    """Inputs as they would be."""
    old_host: str = ""
    new_host: str = ""
    unprotected: bool = False
    """It exists protected, or is made, and would not be protected afterwards."""
    unretained: bool = False
    """It would be kept on its host if it left the program, and would not be afterwards."""


@dataclass(frozen=True)
class Preview:
    """One stack's preview."""

    stack: str
    changes: tuple[Change, ...]
    deployed: Mapping[str, Any]
    """The stack's outputs as they stand; empty before its first update."""
    planned: Mapping[str, Any]
    """The stack's outputs as they would be, as far as the form tells them."""
    plan: str
    """The plan folder that the stack is configured with; empty when the preview does not say."""
    errors: tuple[str, ...]
    """Why the preview failed, other than for resources that are among `changes`."""
    whole: bool
    """Whether unchanged resources are among `changes`."""


def read(data: bytes) -> Preview:
    """The preview. Raises PreviewError: one line for anything that is none, is cut off, or contradicts itself."""
    if len(data) > MOST_BYTES:
        raise PreviewError(f"大きすぎます（{len(data):,} バイト、{MOST_BYTES:,} バイトまで）")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PreviewError(f"UTF-8 ではありません（{error.start + 1} バイト目）") from None
    if not text.strip():
        raise PreviewError("空です。pulumi preview --json の出力を渡してください")
    document = _single(text)
    return _of_document(document) if document is not None else _of_events(_lines(text))


def _single(text: str) -> dict[str, Any] | None:
    first = text.lstrip().split("\n", 1)[0]
    if '"sequence"' in first and first.rstrip().endswith("}"):
        return None
    document = _json(text, "")
    if not isinstance(document, dict) or not ({"steps", "config", "diagnostics"} & set(document)):
        raise PreviewError("pulumi preview --json の出力ではありません（steps がありません）")
    return document


def _lines(text: str) -> list[dict[str, Any]]:
    events = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            event = _json(line, f"{number} 行目: ")
            if not isinstance(event, dict):
                raise PreviewError(f"{number} 行目: 出来事（オブジェクト）ではありません")
            events.append(event)
    return events


def _json(text: str, where: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError:
        raise PreviewError(f"{where}JSON の入れ子が深すぎます") from None
    except json.JSONDecodeError as error:
        place = where or f"{error.lineno} 行目 {error.colno} 文字目: "
        raise PreviewError(f"{place}JSON として読めません（途中で切れていないか確かめてください）") from None
    except ValueError:
        raise PreviewError(f"{where}JSON の数が大きすぎます") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Of two `steps` one would be judged and the other done.
        raise PreviewError("JSON の同じオブジェクトに同じ名前が二度あります")
    return found


def _of_document(document: Mapping[str, Any]) -> Preview:
    steps = _list(document.get("steps"), "steps")
    diagnostics = _list(document.get("diagnostics"), "diagnostics")
    changes = []
    deployed: Mapping[str, Any] = {}
    for number, step in enumerate(steps):
        where = f"steps[{number}]"
        old, new = _object(step.get("oldState"), where), _object(step.get("newState"), where)
        keys = [*_strings(step.get("replaceReasons"), where), *_strings(step.get("diffReasons"), where)]
        keys += _detailed(step.get("detailedDiff"), where)
        change = _change(_text(step, "op", where), _text(step, "urn", where), old, new, keys, where)
        if change.kind == "Stack":
            deployed = _object(old.get("outputs"), where)
        changes.append(change)
    summary = _object(document.get("changeSummary"), "changeSummary")
    failed = any(entry.get("severity") == "error" for entry in diagnostics)
    if not failed:
        _require_agreement(summary, [change.op for change in changes], bool(steps))
    return _preview(changes, diagnostics, deployed, {}, _object(document.get("config"), "config"), whole=False)


def _of_events(events: list[dict[str, Any]]) -> Preview:
    changes: dict[str, Change] = {}
    ops: list[str] = []
    diagnostics: list[Mapping[str, Any]] = []
    deployed: Mapping[str, Any] = {}
    planned: Mapping[str, Any] = {}
    config: Mapping[str, Any] = {}
    summary: Mapping[str, Any] | None = None
    for number, event in enumerate(events, 1):
        where = f"{number} 行目"
        if "preludeEvent" in event:
            config = _object(_object(event["preludeEvent"], where).get("config"), where)
        elif "summaryEvent" in event:
            summary = _object(event["summaryEvent"], where)
        elif "diagnosticEvent" in event:
            diagnostics.append(_object(event["diagnosticEvent"], where))
        elif "resourcePreEvent" in event or "resOutputsEvent" in event:
            begun = "resourcePreEvent" in event
            data = _object(event.get("resourcePreEvent" if begun else "resOutputsEvent"), where)
            about = _object(data.get("metadata"), where)
            old, new = _object(about.get("old"), where), _object(about.get("new"), where)
            keys = [*_strings(about.get("keys"), where), *_strings(about.get("diffs"), where)]
            keys += _detailed(about.get("detailedDiff"), where)
            change = _change(_text(about, "op", where), _text(about, "urn", where), old, new, keys, where)
            if begun:
                ops.append(change.op)
                known = changes.get(change.urn)
                if known is None or _rank(change.op) > _rank(known.op):
                    changes[change.urn] = change
            elif change.kind == "Stack":
                deployed, planned = _object(old.get("outputs"), where), _object(new.get("outputs"), where)
    if summary is None:
        raise PreviewError("途中で切れています（summaryEvent がありません）")
    failed = summary.get("result") == "failed" or any(each.get("severity") == "error" for each in diagnostics)
    if not failed:
        _require_agreement(_object(summary.get("resourceChanges"), "summaryEvent"), ops, bool(ops))
    elif not any(each.get("severity") == "error" for each in diagnostics):
        diagnostics.append({"severity": "error", "message": "pulumi preview が失敗しました"})
    # A program that failed has not said all its outputs.
    return _preview(list(changes.values()), diagnostics, deployed, {} if failed else planned, config, whole=True)


def _preview(
    changes: list[Change],
    diagnostics: Iterable[Mapping[str, Any]],
    deployed: Mapping[str, Any],
    planned: Mapping[str, Any],
    config: Mapping[str, Any],
    *,
    whole: bool,
) -> Preview:
    errors = []
    known = {change.urn for change in changes if change.op != "same"}
    for entry in diagnostics:
        if entry.get("severity") != "error":
            continue
        message = str(entry.get("message", ""))
        refused = [(op, urn) for op, urn in _PROTECTED.findall(message)]
        refused += [("delete", urn) for urn in _UNDELETABLE.findall(message)]
        # The volume that is the cause is named only here: "… as part of replacing …".
        refused += [("replace", urn) for urn in re.findall(r"as part of replacing \"(urn:[^\"]+)\"", message)]
        for op, urn in refused:
            if urn not in known:
                known.add(urn)
                changes.append(_change(op, urn, {}, {}, (), "diagnostics"))
        if not refused:
            errors += _readable(message)
    stacks = {match.group(1) for change in changes if (match := _URN.match(change.urn))}
    projects = {match.group(2) for change in changes if (match := _URN.match(change.urn))}
    if len(stacks) != 1 or projects != {PROJECT}:
        found = "、".join(sorted(projects | stacks))[:200] or "なし"
        raise PreviewError(f"kumiai の一つのスタックの preview ではありません（{found}）")
    plan = config.get(f"{PROJECT}:plan")
    return Preview(
        stack=stacks.pop(),
        changes=tuple(changes),
        deployed=deployed,
        planned=planned,
        plan=plan if isinstance(plan, str) else "",
        errors=tuple(dict.fromkeys(errors)),
        whole=whole,
    )


def _change(
    op: str, urn: str, old: Mapping[str, Any], new: Mapping[str, Any], keys: Iterable[str], where: str
) -> Change:
    match = _URN.fullmatch(urn)
    if match is None:
        raise PreviewError(f"{where}: URN が読めません（{urn[:80]}）")
    kind = match.group(3).rpartition("$")[2].rpartition(":")[2]
    parent = str(old.get("parent") or new.get("parent") or "")
    gone = not new
    made = op in {"create", "create-replacement", "import"} and not old
    return Change(
        op=op,
        urn=urn,
        kind=kind,
        name=match.group(4),
        owner=parent.rpartition("::")[2] if "::kumiai:infra:" in parent else "",
        keys=tuple(dict.fromkeys(keys)),
        old=_object(old.get("inputs"), where),
        new=_object(new.get("inputs"), where),
        old_host=_host(old),
        new_host=_host(new),
        unprotected=not gone and not new.get("protect") and (bool(old.get("protect")) or made),
        unretained=not gone and not new.get("retainOnDelete") and bool(old.get("retainOnDelete")),
    )


def _host(state: Mapping[str, Any]) -> str:
    parts = str(state.get("provider") or "").split("::")
    return parts[-2] if len(parts) >= 2 else ""


def _rank(op: str) -> int:
    """Of several events about a resource the gravest counts; `replace` says more than its parts."""
    return {"same": 0, "read": 0, "refresh": 0, "create": 1, "import": 1, "update": 2, "replace": 4}.get(op, 3)


def _require_agreement(summary: Mapping[str, Any], ops: list[str], any_steps: bool) -> None:
    """A preview that succeeded has a step for every change that it counts."""
    if not any_steps and not summary:
        raise PreviewError("途中で切れています（steps も changeSummary もありません）")
    for op, count in summary.items():
        if not isinstance(count, int) or (op != "same" and ops.count(op) < count):
            raise PreviewError(f"変更の数（{op}）が steps と合いません。出力の全部を渡してください")


def _detailed(value: object, where: str) -> list[str]:
    return [re.split(r"[.\[]", key, maxsplit=1)[0] for key in _object(value, where)]


def _readable(message: str) -> list[str]:
    line = " ".join(message.removeprefix("error: ").split())
    return [] if not line or line.startswith(("preview failed", "an unhandled error occurred")) else [line[:500]]


def _list(value: object, where: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise PreviewError(f"{where} がオブジェクトの列ではありません")
    return value


def _object(value: object, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PreviewError(f"{where}: オブジェクトであるべき所が違います")
    return value


def _strings(value: object, where: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise PreviewError(f"{where}: 文字列の列であるべき所が違います")
    return value


def _text(value: Mapping[str, Any], key: str, where: str) -> str:
    found = value.get(key)
    if not isinstance(found, str) or not found:
        raise PreviewError(f"{where}: {key} がありません")
    return found
