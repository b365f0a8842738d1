"""Where in a tree of nodes a path of keys and indices leads, and which record types hold there."""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from .yaml_reader import Node

Step = str | int
KEY = "[key]"  # pydantic's name for the key of a dict instead of its value


@dataclass(frozen=True)
class Place:
    """The node that a path reaches. `rest` is the part of the path that has no node (a missing key)."""

    node: Node
    key: Node | None
    steps: tuple[Step, ...]
    rest: tuple[Step, ...]
    label: str


def find(root: Node, path: Sequence[Step]) -> Place:
    """Follow `path` from `root` as far as there are nodes; names of union branches in between are passed over."""
    node, key, label = root, None, ""
    steps: list[Step] = []
    rest: list[Step] = []
    for step in path:
        if isinstance(node.value, dict) and step in node.value:
            key, node = node.value[step]
            label = _joined(label, str(step))
        elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
            place = node.index[step] if node.index is not None else step
            key, node = None, node.value[step]
            label += f"[{_name_of(node, place)}]"
        else:
            rest.append(step)
            continue
        steps.append(step)
    return Place(node, key, tuple(steps), tuple(rest), label)


def joined(label: str, key: str) -> str:
    """`label.key`, with the key shortened and quoted where it is no plain word."""
    return _joined(label, key)


def _joined(label: str, key: str) -> str:
    plain = key.replace("-", "").replace("_", "").isalnum() and len(key) <= 40
    return f"{label}.{key if plain else repr(key[:40])}".removeprefix(".")


def _name_of(item: Node, index: int) -> str:
    """An item's id where it has a plain one, else its index from 0."""
    if isinstance(item.value, dict) and "id" in item.value:
        name = item.value["id"][1].value
        if isinstance(name, str) and len(name) <= 40 and name.isascii() and name.isprintable():
            return name
    return str(index)


def types_at(model: object, steps: Sequence[Step]) -> list[Any]:
    """The types that may stand at a path below `model`, unions and annotations unwrapped."""
    here = _unwrapped(model)
    for step in steps:
        here = [below for tp in here for below in _below(tp, step)]
    return here


def field_names(tp: type[BaseModel]) -> list[str]:
    """The keys that a record may have, as they are written in the file."""
    return [field.alias or name for name, field in tp.model_fields.items()]


def _below(tp: object, step: Step) -> list[Any]:
    if isinstance(tp, type) and issubclass(tp, BaseModel):
        for name, field in tp.model_fields.items():
            if (field.alias or name) == step:
                return _unwrapped(field.annotation)
        return []
    arguments = get_args(tp)
    if get_origin(tp) is dict:
        return _unwrapped(arguments[1])
    if get_origin(tp) is tuple and isinstance(step, int):
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return _unwrapped(arguments[0])
        return _unwrapped(arguments[step]) if step < len(arguments) else []
    return []


def _unwrapped(tp: object) -> list[Any]:
    origin = get_origin(tp)
    if origin is Annotated:
        return _unwrapped(get_args(tp)[0])
    if origin in (Union, types.UnionType):
        return [leaf for part in get_args(tp) for leaf in _unwrapped(part)]
    if origin is Literal:
        return [tp]
    return [tp]
