"""YAML text -> a tree of nodes that know their file, line and column.

Works on the events of libyaml with a stack of its own, so that neither depth nor aliases can exhaust the interpreter.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from . import scalars
from .file_bytes import read_text
from .problems import EstateErrors, ExitCode, Problem, shown
from .syntax_messages import in_japanese

Value: TypeAlias = Any
"""A scalar; a list or dict of nodes in a tree, of plain values in plain data. Checked where it is used."""

Event: TypeAlias = Any
Mark: TypeAlias = Any
"""The parser's own; their type stubs declare every attribute optional, which it is not for parsed text."""

DEEPEST = 100
MOST_NODES = 500_000
"""Nodes of a document with every alias counted as often as it is used."""
_STRING_TAGS = frozenset({"tag:yaml.org,2002:str", "!"})


class Node:
    """A scalar, a list of nodes, or a dict of key -> (key node, value node), with its place in the file.

    `text` is the scalar as written. `size` and `height` count the tree below, aliases expanded. `index` is the place
    of each kept item where items were taken out of a list.
    """

    __slots__ = ("column", "file", "height", "index", "line", "size", "text", "value")

    def __init__(self, file: str, line: int, column: int, value: Value, text: str = "") -> None:
        self.file = file
        self.line = line
        self.column = column
        self.value = value
        self.text = text
        self.size = 1
        self.height = 1
        self.index: list[int] | None = None

    def data(self) -> Value:
        """The plain data below: dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: item.data() for key, (_, item) in self.value.items()}
        if isinstance(self.value, list):
            return [item.data() for item in self.value]
        return self.value

    def problem(self, path: str, message: str, exit_code: ExitCode = 2) -> Problem:
        """A problem at this place."""
        return Problem(self.file, self.line, self.column, path, message, exit_code)


class _Open:
    """A list or mapping whose end has not come yet."""

    __slots__ = ("anchor", "key", "node")

    def __init__(self, node: Node, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.key: Node | None = None


class _Composer:
    """Builds the tree of one document; collects what is wrong with single nodes and goes on."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.root: Node | None = None
        self.stack: list[_Open] = []
        self.anchors: dict[str, Node | None] = {}  # None while the anchored node is still open
        self.nodes = 0

    def stop(self, mark: Mark, message: str) -> EstateErrors:
        place = Problem(self.file, mark.line + 1, mark.column + 1, "", message)
        return EstateErrors([*self.problems, place])

    def note(self, mark: Mark, message: str) -> None:
        self.problems.append(Problem(self.file, mark.line + 1, mark.column + 1, "", message))

    def compose(self, events: Iterator[Event]) -> Node | None:
        documents = 0
        for event in events:
            match event:
                case yaml.ScalarEvent():
                    self.attach(self.scalar(event), event)
                case yaml.MappingStartEvent():
                    self.open(event, {})
                case yaml.SequenceStartEvent():
                    self.open(event, [])
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    closed = self.stack.pop()
                    if closed.anchor is not None:
                        self.anchors[closed.anchor] = closed.node
                    self.attach(closed.node, event)
                case yaml.AliasEvent():
                    self.attach(self.alias(event), event)
                case yaml.DocumentStartEvent():
                    documents += 1
                    if documents > 1:
                        raise self.stop(
                            event.start_mark, "文書が二つあります（---）。1 ファイルに 1 文書だけ書いてください"
                        )
        return self.root

    def scalar(self, event: Event) -> Node:
        mark = event.start_mark
        node = Node(self.file, mark.line + 1, mark.column + 1, event.value, event.value)
        if event.tag is not None and event.tag not in _STRING_TAGS:
            self.refuse_tag(event)
        elif event.tag is None and event.implicit[0]:
            try:
                node.value = scalars.resolve(event.value)
            except scalars.NotANumber:
                self.note(
                    mark, f"有限の数ではありません（{shown(event.value)}）。NaN、無限大、桁の多すぎる数は使えません"
                )
                node.value = 0
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def open(self, event: Event, value: Value) -> None:
        mark = event.start_mark
        if event.tag is not None:
            self.refuse_tag(event)
        if len(self.stack) >= DEEPEST:
            raise self.stop(mark, f"入れ子が深すぎます。上限は {DEEPEST} 段です")
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        self.stack.append(_Open(Node(self.file, mark.line + 1, mark.column + 1, value), event.anchor))

    def refuse_tag(self, event: Event) -> None:
        self.note(event.start_mark, f"YAML のタグは使えません（{shown(event.tag)}）。タグを消してください")

    def alias(self, event: Event) -> Node:
        name = event.anchor
        if name not in self.anchors:
            raise self.stop(event.start_mark, f"別名{shown('*' + name)}の元（&）がありません")
        target = self.anchors[name]
        if target is None:
            raise self.stop(event.start_mark, f"別名{shown('*' + name)}が自分自身を含んでいます")
        if len(self.stack) + target.height > DEEPEST:
            raise self.stop(event.start_mark, f"別名を開くと入れ子が深すぎます。上限は {DEEPEST} 段です")
        return target

    def attach(self, node: Node, event: Event) -> None:
        """Put a finished node where it belongs: into the list or mapping that is open."""
        if not self.stack:
            self.root = node
            return
        self.nodes += 1
        parent = self.stack[-1]
        holder = parent.node
        holder.size += node.size
        holder.height = max(holder.height, node.height + 1)
        if holder.size > MOST_NODES or self.nodes > MOST_NODES:
            raise self.stop(event.start_mark, f"項目が多すぎます（別名を開いた数）。上限は {MOST_NODES:,} です")
        if isinstance(holder.value, list):
            holder.value.append(node)
        elif parent.key is None:
            parent.key = node
        else:
            self.put(holder, parent.key, node)
            parent.key = None

    def put(self, holder: Node, key: Node, value: Node) -> None:
        if not isinstance(key.value, str):
            found = shown(key.text) if key.text else "文字列でない値"
            self.problems.append(key.problem("", f"キーが文字列ではありません（{found}）。引用符で囲んでください"))
        elif key.value == "<<":
            self.problems.append(key.problem("", "マージキー「<<」は使えません。項目をそのまま書いてください"))
        elif key.value in holder.value:
            first = holder.value[key.value][0]
            message = f"キー{shown(key.value)}が重複しています（初出は {first.line} 行目）。どちらかを消してください"
            self.problems.append(key.problem("", message))
        else:
            holder.value[key.value] = (key, value)


def read(path: Path) -> tuple[Node, list[Problem]]:
    """The tree of a YAML file, and what is wrong with single nodes of it (tags, duplicate keys, NaN).

    Raises EstateErrors where there is no tree: unreadable, not text, syntax errors, too deep, too large, empty.
    """
    return parse(read_text(path), str(path))


def parse(text: str, file: str) -> tuple[Node, list[Problem]]:
    """As `read`, for text that is already in memory; `file` is the name for messages."""
    composer = _Composer(file)
    try:
        root = composer.compose(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if error.context and "quoted scalar" in error.context and "end of stream" in str(error.problem):
            mark = error.context_mark  # where the quotation opens; the end of the file helps nobody
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        message = in_japanese(error.problem, error.context)
        raise EstateErrors([*composer.problems, Problem(file, line, column, "", message)]) from None
    except yaml.YAMLError as error:
        raise EstateErrors([Problem(file, 1, 1, "", in_japanese(str(error), None))]) from None
    if root is None or (root.value is None and not root.text):
        raise EstateErrors([*composer.problems, Problem(file, 1, 1, "", "中身が空です")])
    return root, composer.problems
