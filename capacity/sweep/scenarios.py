"""Settings, axes and named scenarios -> the merged settings of every scenario, each value with its place in the file.

Merging is done on the nodes of the YAML tree, so that whatever is wrong with a merged scenario is found where it was
written: in the settings that all share, in the value of an axis or in a named scenario.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from estate.places import joined
from estate.problems import Problem, shown, visible
from estate.validation import validate
from estate.yaml_reader import Node

from .subject import Settings

NAME = "name"
_SEED = "seed"
_LONGEST_WORD = 60
BASE = "基本"
"""The scenario of a file without axes and named scenarios."""


@dataclass(frozen=True)
class Part:
    """Some settings, from one place of the file: field -> (key node, value node, how a message calls the place)."""

    word: str
    """What this part adds to a scenario's name."""
    node: Node
    label: str
    fields: Mapping[str, tuple[Node, Node, str]]


@dataclass(frozen=True)
class Merged:
    """One scenario before it is checked: later parts win."""

    name: str
    parts: tuple[Part, ...]


class Axes:
    """The parts of a scenario file: what all share, the values of each axis, the named scenarios."""

    def __init__(self, root: Node) -> None:
        self.problems: list[Problem] = []
        self.base = self._base(root)
        self.axes = [list(values) for values in self._axes(root)]
        self.named = list(self._named(root))
        self._refuse_one_field_in_two_axes(root)
        self._refuse_equal_words()

    def count(self) -> int:
        """How many scenarios there are for one plan."""
        combinations = math.prod(len(values) for values in self.axes) if self.axes else 0
        return len(self.named) + combinations or 1

    def sizes(self) -> str:
        """The multiplication behind `count`, for a message."""
        return " × ".join(f"{len(values):,}" for values in self.axes) + (f" + {len(self.named)}" if self.named else "")

    def scenarios(self) -> Iterator[Merged]:
        """Named ones first, then every combination; the first axis changes slowest."""
        for part in self.named:
            yield Merged(part.word, (self.base, part))
        if self.axes:
            for parts in product(*self.axes):
                yield Merged("、".join(part.word for part in parts), (self.base, *parts))
        elif not self.named:
            yield Merged(BASE, (self.base,))

    def samples(self) -> Iterator[Merged]:
        """Every value once, for a file with too many scenarios to look at each."""
        for part in (*self.named, *(part for values in self.axes for part in values)):
            yield Merged(part.word, (self.base, part))

    def _base(self, root: Node) -> Part:
        if "settings" not in root.value:
            return Part("", root, "settings", {})
        node = root.value["settings"][1]
        return Part("", node, "settings", self._fields(node, "settings"))

    def _fields(self, node: Node, label: str) -> dict[str, tuple[Node, Node, str]]:
        found = {}
        for field, (key, value) in node.value.items():
            if field == _SEED:
                self.problems.append(
                    key.problem(joined(label, field), "種はここには書けません。seeds に書いてください")
                )
            elif field != NAME or label == "settings":
                found[field] = (key, value, joined(label, field))
        return found

    def _axes(self, root: Node) -> Iterator[Sequence[Part]]:
        if "axes" not in root.value:
            return
        for axis, (key, values) in root.value["axes"][1].value.items():
            label = joined("axes", axis)
            if not values.value:
                text = "値が一つもありません。一つ以上書くか、軸を消してください"
                self.problems.append(values.problem(label, text))
                continue
            bundles = [isinstance(item.value, dict) for item in values.value]
            if any(bundles) and not all(bundles):
                odd = values.value[bundles.index(not bundles[0])]
                text = "一つの軸の値は、すべて単独の値か、すべて「項目: 値」の対応表のどちらかにしてください"
                self.problems.append(odd.problem(f"{label}[{bundles.index(not bundles[0])}]", text))
            elif all(bundles):
                yield [self._bundle(axis, item, f"{label}[{index}]", index) for index, item in enumerate(values.value)]
            elif axis == _SEED:
                self.problems.append(key.problem(label, "種は軸にできません。seeds に書いてください"))
            else:
                yield [
                    Part(_word(f"{axis}={item.text}"), item, place, {axis: (key, item, place)})
                    for index, item in enumerate(values.value)
                    for place in (f"{label}[{index}]",)
                ]

    def _bundle(self, axis: str, item: Node, label: str, index: int) -> Part:
        name = self._name(item, label) if NAME in item.value else None
        return Part(_word(f"{axis}={name or index}"), item, label, self._fields(item, label))

    def _name(self, item: Node, label: str) -> str | None:
        node = item.value[NAME][1]
        if isinstance(node.value, str) and node.value.strip() and len(node.value) <= _LONGEST_WORD:
            return node.value
        text = f"名前は 1 字以上 {_LONGEST_WORD} 字以内の文字列です（{shown(node.text)}）"
        self.problems.append(node.problem(joined(label, NAME), text))
        return None

    def _named(self, root: Node) -> Iterator[Part]:
        if "scenarios" not in root.value:
            return
        for index, item in enumerate(root.value["scenarios"][1].value):
            label = f"scenarios[{index}]"
            if NAME not in item.value:
                text = "必須の項目がありません。「name: …」を書いてください"
                self.problems.append(item.problem(joined(label, NAME), text))
            name = self._name(item, label) if NAME in item.value else None
            yield Part(_word(name or str(index)), item, label, self._fields(item, label))

    def _refuse_one_field_in_two_axes(self, root: Node) -> None:
        """Which of two axes would win is nobody's guess."""
        owner: dict[str, int] = {}
        for number, values in enumerate(self.axes):
            for part in values:
                for field, (key, _, label) in part.fields.items():
                    if owner.setdefault(field, number) != number:
                        first = list(root.value["axes"][1].value)[owner[field]]
                        text = f"同じ項目が別の軸（{visible(first)}）にもあります。どちらか一つにしてください"
                        self.problems.append(key.problem(label, text))

    def _refuse_equal_words(self) -> None:
        for parts in (self.named, *self.axes):
            seen: dict[str, Part] = {}
            for part in parts:
                first = seen.setdefault(part.word, part)
                if first is not part:
                    text = f"{first.node.line} 行目と同じです（{shown(part.word)}）。どちらかを消してください"
                    self.problems.append(part.node.problem(part.label, text))


@dataclass(frozen=True)
class Sound:
    """A scenario whose settings are sound, and where each of them was written."""

    name: str
    settings: Settings
    last: Part
    origins: Mapping[str, tuple[Node, Node, str]]

    def problem(self, fields: Iterable[str], message: str) -> Problem:
        """A problem of this scenario, at the place of the one field of `fields` that was written, if it is one."""
        written = [self.origins[field] for field in fields if field in self.origins]
        _, node, label = written[0] if len(written) == 1 else (None, self.last.node, self.last.label)
        return node.problem(label, message)


def settings_of(merged: Iterable[Merged], problems: list[Problem]) -> Iterator[Sound]:
    """Each scenario that is sound. What is wrong with the others is added to `problems`, each mistake once."""
    broken = {(problem.line, problem.column) for problem in problems}
    known: set[tuple[int, int, str]] = set()
    crossed: dict[str, tuple[Problem, str, int]] = {}
    for scenario in merged:
        origins: dict[str, tuple[Node, Node, str]] = {}
        for part in scenario.parts:
            origins.update(part.fields)
        last = scenario.parts[-1]
        root = Node(last.node.file, last.node.line, last.node.column, {k: (o[0], o[1]) for k, o in origins.items()})
        document = validate(root, [], Settings)
        if document.record is not None and not document.problems:
            yield Sound(scenario.name, document.record, last, origins)
        for problem in document.problems:
            if not problem.path:
                # What contradicts itself only in combination: told once, with the number of scenarios it breaks.
                first = crossed.setdefault(problem.message, (problem, scenario.name, 0))
                crossed[problem.message] = (*first[:2], first[2] + 1)
            elif (problem.line, problem.column) in broken:
                continue  # the reader has said what is wrong there, and put something else in its place
            elif (place := (problem.line, problem.column, problem.message)) not in known:
                known.add(place)
                problems.append(_placed(problem, origins))
    for problem, name, count in crossed.values():
        others = f"、ほか {count - 1:,} 条件" if count > 1 else ""
        text = f"組み合わせると矛盾します（条件{shown(name)}{others}）。{problem.message}"
        problems.append(Problem(problem.file, problem.line, problem.column, "", text))


def _placed(problem: Problem, origins: Mapping[str, tuple[Node, Node, str]]) -> Problem:
    """The problem under the name of the place where its field was written."""
    for field, (key, _, written) in origins.items():
        plain = joined("", field)
        if problem.path == plain or problem.path.startswith((f"{plain}.", f"{plain}[")):
            at_key = (key.line, key.column) == (problem.line, problem.column)
            # An unknown axis is wrong as a whole, not in one of its values.
            label = written.rpartition("[")[0] if at_key and written.endswith("]") else written
            path = label + problem.path[len(plain) :]
            return Problem(problem.file, problem.line, problem.column, path, problem.message, problem.exit_code)
    return problem


def _word(text: str) -> str:
    return text if len(text) <= _LONGEST_WORD else f"{text[: _LONGEST_WORD - 1]}…"
