"""Tree of nodes -> record. Every mistake comes back with its place; what is sound goes on to the cross checks."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from . import findings
from .places import KEY, Place, Step, field_names, find, joined, types_at
from .problems import ExitCode, Problem, shown
from .yaml_reader import Node, Value

M = TypeVar("M", bound=BaseModel)
_MOST_PRUNINGS = 4
_NUMBER = re.compile(r"\s*[-+]?[0-9.]+\s*")


@dataclass
class Document(Generic[M]):
    """A file as read: its tree, what is wrong with it, and its record.

    Where there were mistakes, `record` is what remains without the broken parts, `root` the tree of that remainder
    and `written` the whole tree; `record` is None where nothing sensible remains.
    """

    root: Node
    written: Node
    record: M | None
    problems: list[Problem] = field(default_factory=list)
    _reported: frozenset[tuple[str, int, int]] = frozenset()

    def seal(self, stand_ins: set[tuple[str, int, int]]) -> None:
        """From here on nothing more is reported where something is wrong already: the cross checks see stand-ins."""
        self._reported = frozenset(stand_ins) | {(p.file, p.line, p.column) for p in self.problems}

    def report(self, path: Sequence[Step], message: str, exit_code: ExitCode = 2, *, key: bool = False) -> None:
        """Add a problem at a path of the record; `key` points at the key instead of the value."""
        found = self.problem(path, message, exit_code, key=key)
        if (found.file, found.line, found.column) not in self._reported:
            self.problems.append(found)

    def problem(self, path: Sequence[Step], message: str, exit_code: ExitCode = 2, *, key: bool = False) -> Problem:
        """A problem at a path of the record, or at the nearest node above it that is written in the file."""
        place = find(self.root, path)
        node = place.key if key and place.key is not None else place.node
        label = place.label
        for step in place.rest:
            label = joined(label, str(step)) if isinstance(step, str) else label
        return node.problem(label, message, exit_code)


def validate(
    root: Node, problems: list[Problem], model: type[M], stand_ins: dict[str, Any] | None = None
) -> Document[M]:
    """The record of a tree. `problems` are those of the reader; `stand_ins` replace broken required root keys."""
    document: Document[M] = Document(root, root, None, list(problems))
    stand_in_places: set[tuple[str, int, int]] = set()
    known = {(p.file, p.line, p.column) for p in problems}
    here = _replaced(root, {path: _like(node, "?") for path, node in _numbers_for_dates(root, model)})
    for attempt in range(_MOST_PRUNINGS):
        try:
            # `by_name=False`: only the key as documented (`from`), never the attribute's name (`from_`).
            text = json.dumps(here.data())
            document.record = model.model_validate_json(text, by_alias=True, by_name=False)
            document.root = here
            break
        except ValidationError as error:
            errors = error.errors(include_url=False, include_input=False)
        if attempt == 0:
            document.problems += [p for p in _described(here, model, errors) if (p.file, p.line, p.column) not in known]
        if attempt == 0:
            here, errors, stand_in_places = _with_examples(here, model, errors)
        removed = {_removal(here, model, find(here, _path(e)), e["type"]) for e in errors}
        if () in removed:
            here = _with_stand_ins(here, errors, stand_ins or {})
            removed.discard(())
        here = _pruned(here, sorted(removed, key=len, reverse=True))
    document.seal(stand_in_places)
    return document


def _numbers_for_dates(root: Node, model: type[BaseModel]) -> Iterator[tuple[tuple[Step, ...], Node]]:
    """Texts of digits where a date is wanted: pydantic would read `"1893456000"` as seconds since 1970."""
    for path, node in _scalars(root, ()):
        if (
            isinstance(node.value, str)
            and _NUMBER.fullmatch(node.value)
            and any(tp in (date, datetime) for tp in types_at(model, path))
        ):
            yield path, node


def _scalars(node: Node, path: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], Node]]:
    if isinstance(node.value, dict):
        for name, (_, item) in node.value.items():
            yield from _scalars(item, (*path, name))
    elif isinstance(node.value, list):
        for index, item in enumerate(node.value):
            yield from _scalars(item, (*path, index))
    else:
        yield path, node


def _path(error: ErrorDetails) -> tuple[Step, ...]:
    return tuple(error["loc"])


def _described(root: Node, model: type[BaseModel], errors: Sequence[ErrorDetails]) -> list[Problem]:
    """One problem per mistake: the branches of a union are one mistake, a misspelt key is not also a missing one."""
    by_place: dict[tuple[Step, ...], list[tuple[ErrorDetails, Place]]] = {}
    for error in errors:
        place = find(root, _path(error))
        at = (*place.steps, *place.rest[-1:]) if error["type"] == "missing" else place.steps
        by_place.setdefault(at, []).append((error, place))
    unknown: dict[tuple[Step, ...], list[str]] = {}
    for at, group in by_place.items():
        if group[0][0]["type"] == "extra_forbidden":
            unknown.setdefault(at[:-1], []).append(str(at[-1]))
    holders = {at[:length] for at in by_place for length in range(len(at))}
    problems = []
    for at, group in by_place.items():
        error, place = group[0]
        if error["type"] == "missing":
            missing = str(at[-1])
            # A near-miss among the unknown keys of the same mapping already says "did you mean".
            if not any(_nearest(word, [missing]) for word in unknown.get(at[:-1], [])):
                text = f"必須の項目がありません。「{missing}: …」を書いてください"
                problems.append(place.node.problem(joined(place.label, missing), text))
        elif error["type"] == "extra_forbidden":
            problems.append(_unknown_key(place, model))
        elif at in holders and len(group) == 1 and place.rest[:1] and place.rest[-1] != KEY:
            continue  # one branch of a union, while another branch already names the item that is wrong
        elif place.rest[-1:] == (KEY,):
            node = place.key or place.node
            problems.append(node.problem(place.label, "キーの" + findings.message(error, node)))
        else:
            problems.append(place.node.problem(place.label, _one_of(group, place.node)))
    return problems


def _one_of(group: list[tuple[ErrorDetails, Place]], node: Node) -> str:
    if len(group) == 1:
        return findings.message(group[0][0], node)
    kinds = {error["type"] for error, _ in group}
    if kinds >= {"bool_type", "string_type"}:
        return f"書けるのは文字列、数、真偽値です（{findings.what_is(node)}）"
    if isinstance(node.value, list):
        fitting = [error for error, _ in group if error["type"] not in ("literal_error", "string_type")]
        return findings.message(fitting[0] if fitting else group[0][0], node)
    words = [
        w for error, _ in group if error["type"] == "literal_error" for w in findings.choices(error["ctx"]["expected"])
    ]
    if words and kinds & {"tuple_type", "list_type"}:
        return f"書けるのは {'、'.join(words)} かリストです（{findings.what_is(node)}）"
    return findings.message(group[0][0], node)


def _unknown_key(place: Place, model: type[BaseModel]) -> Problem:
    name = str(place.steps[-1]) if place.steps else ""
    node = place.key or place.node
    allowed = [
        key
        for tp in types_at(model, place.steps[:-1])
        if isinstance(tp, type) and issubclass(tp, BaseModel)
        for key in field_names(tp)
    ]
    near = _nearest(name, allowed)
    hint = f"もしかして: {shown(near)}" if near else f"使えるキー: {'、'.join(allowed)}"
    return node.problem(place.label, f"知らないキーです（{shown(name)}）。{hint}")


def _nearest(word: str, known: Sequence[str]) -> str | None:
    near = difflib.get_close_matches(word[:80], known, n=1, cutoff=0.6)
    return near[0] if near else None


def _removal(root: Node, model: type[BaseModel], place: Place, kind: str) -> tuple[Step, ...]:
    """The smallest part around a mistake that the record can do without; () when there is none."""
    if kind == "extra_forbidden":
        return place.steps
    for length in range(len(place.steps), 0, -1):
        steps = place.steps[:length]
        if isinstance(steps[-1], int):
            return steps
        holders = types_at(model, steps[:-1])
        for tp in holders:
            if not (isinstance(tp, type) and issubclass(tp, BaseModel)):
                return steps  # an entry of a dict
            fields = {f.alias or name: f for name, f in tp.model_fields.items()}
            name = str(steps[-1])
            if name not in fields or not fields[name].is_required():
                if length == len(place.steps) and kind == "missing" and place.rest:
                    break  # the record itself is incomplete, not its optional holder's value: same removal
                return steps
        else:
            continue
        return steps
    return ()


def _with_stand_ins(root: Node, errors: Sequence[ErrorDetails], stand_ins: dict[str, Any]) -> Node:
    """The tree with stand-ins for required root keys that are missing or broken, so that the rest can be checked."""
    if not isinstance(root.value, dict):
        return root
    value = dict(root.value)
    for error in errors:
        name = error["loc"][0] if error["loc"] else None
        if name in stand_ins and (len(error["loc"]) == 1 or not isinstance(stand_ins[name], list)):
            place = root.value.get(name, (root, root))
            stand_in = Node(place[1].file, place[1].line, place[1].column, stand_ins[name])
            value[name] = (place[0], stand_in)
    return _like(root, value)


def _with_examples(
    root: Node, model: type[BaseModel], errors: Sequence[ErrorDetails]
) -> tuple[Node, list[ErrorDetails], set[tuple[str, int, int]]]:
    """The tree with sound values for wrong or missing required numbers and texts, the errors left, and their places.

    Otherwise a tenant with a wrong population would be taken out, and its other mistakes would wait for the next try.
    """
    replaced: dict[tuple[Step, ...], Node] = {}
    left = []
    for error in errors:
        place = find(root, _path(error))
        steps = (*place.steps, *place.rest[-1:]) if error["type"] == "missing" else place.steps
        example = _example(model, steps) if len(steps) > 1 and (error["type"] == "missing" or not place.rest) else None
        if example is None:
            left.append(error)
        else:
            replaced[steps] = _like(place.node, example)
    places = {(node.file, node.line, node.column) for node in replaced.values()}
    return _replaced(root, replaced), left, places


def _example(model: type[BaseModel], steps: tuple[Step, ...]) -> int | str | None:
    for tp in types_at(model, steps[:-1]):
        if not (isinstance(tp, type) and issubclass(tp, BaseModel)):
            continue
        for name, info in tp.model_fields.items():
            if (info.alias or name) != steps[-1] or not info.is_required():
                continue
            if info.annotation in (int, float):
                return 1
            if info.annotation is str:
                patterns = [m.pattern for m in info.metadata if getattr(m, "pattern", None)]
                return findings.EXAMPLES.get(str(patterns[0])) if patterns else "?"
    return None


def _replaced(root: Node, nodes: dict[tuple[Step, ...], Node]) -> Node:
    """A copy of the tree with some nodes replaced or added to their mapping."""
    if () in nodes:
        return nodes[()]
    by_step: dict[Step, dict[tuple[Step, ...], Node]] = {}
    for path, node in nodes.items():
        by_step.setdefault(path[0], {})[path[1:]] = node
    if not by_step:
        return root
    if isinstance(root.value, dict):
        entries = dict(root.value)
        for step, below in by_step.items():
            key, item = entries.get(str(step), (root, root))
            entries[str(step)] = (key, _replaced(item, below))
        return _like(root, entries)
    copy = _like(root, list(root.value))
    copy.index = root.index
    for step, below in by_step.items():
        copy.value[step] = _replaced(root.value[step], below)
    return copy


def _pruned(root: Node, paths: Sequence[tuple[Step, ...]]) -> Node:
    """A copy of the tree without the nodes at `paths`; nodes that keep everything are shared with the original."""
    by_step: dict[Step, list[tuple[Step, ...]]] = {}
    for path in paths:
        by_step.setdefault(path[0], []).append(path[1:])
    if not by_step:
        return root

    def kept(step: Step, item: Node) -> Node | None:
        below = by_step.get(step)
        if below is None:
            return item
        return None if () in below else _pruned(item, below)

    if isinstance(root.value, dict):
        entries = {}
        for name, (key, item) in root.value.items():
            left = kept(name, item)
            if left is not None:
                entries[name] = (key, left)
        return _like(root, entries)
    items, index = [], []
    for position, item in enumerate(root.value):
        left = kept(position, item)
        if left is not None:
            items.append(left)
            index.append(root.index[position] if root.index is not None else position)
    copy = _like(root, items)
    copy.index = index
    return copy


def _like(node: Node, value: Value) -> Node:
    return Node(node.file, node.line, node.column, value, node.text)
