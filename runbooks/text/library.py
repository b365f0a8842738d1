"""The runbooks of a folder by name, and whether they fit together."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from estate import yaml_reader
from estate.places import find
from estate.problems import EstateErrors, Problem
from runbooks.errors import RunbookError
from runbooks.text.markdown import split
from runbooks.text.reader import read
from runbooks.text.records import Runbook

FOLDER = Path(__file__).resolve().parents[1]
NO_RUNBOOKS = ("README.md",)
"""What else may lie in a folder of runbooks."""


class Library:
    """Runbooks are read when they are asked for, and then kept."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder
        self._read: dict[str, Runbook] = {}

    def names(self) -> tuple[str, ...]:
        """The names of all runbooks."""
        return tuple(sorted(path.stem for path in self.folder.glob("*.md") if path.name not in NO_RUNBOOKS))

    def get(self, name: str) -> Runbook:
        """The runbook of that name, it and those it calls checked. Raises RunbookError, EstateErrors."""
        if name not in self._read:
            path = self.folder / f"{name}.md"
            if name not in self.names():
                raise RunbookError(f"運用手順書「{name[:80]}」はありません。{self._hint(name)}")
            self._read[name] = read(path)
            self._require_calls(self._read[name], path)
        return self._read[name]

    def _hint(self, name: str) -> str:
        """The names that look like this one, or share a word with it, and where all of them are."""
        given = name[:80].lower()
        near = difflib.get_close_matches(given, self.names(), n=3, cutoff=0.6)
        words = set(given.split("-"))
        near += [each for each in self.names() if each not in near and words & set(each.split("-"))]
        said = f"もしかして: {'、'.join(near[:3])}。" if near else ""
        return f"{said}一覧は kumiai runbook list で見られます"

    def _require_calls(self, runbook: Runbook, path: Path) -> None:
        """Raises EstateErrors where a step calls a runbook that is not there, itself, or with other parameters."""
        found: list[Problem] = []
        for index, step in enumerate(runbook.steps):
            if step.runbook is None:
                continue
            if step.runbook not in self.names():
                found.append(_place(path, index, "runbook", f"運用手順書「{step.runbook}」はありません"))
                continue
            if runbook.name in self._calls(step.runbook, set()):
                found.append(_place(path, index, "runbook", f"「{step.runbook}」は自分自身に戻ってきます"))
                continue
            wanted = self.get(step.runbook).header.parameters
            for name in step.with_:
                if name not in wanted:
                    found.append(_place(path, index, "with", f"「{step.runbook}」に引数「{name}」はありません"))
            for name, parameter in wanted.items():
                if parameter.default is None and name not in step.with_:
                    found.append(_place(path, index, "with", f"「{step.runbook}」の引数「{name}」がありません"))
        if found:
            raise EstateErrors(found)

    def _calls(self, name: str, seen: set[str]) -> set[str]:
        """Every runbook that this one calls, itself included, however deep."""
        if name not in seen and name in self.names():
            seen.add(name)
            for step in read(self.folder / f"{name}.md").steps:
                if step.runbook is not None:
                    self._calls(step.runbook, seen)
        return seen


def _place(path: Path, index: int, key: str, message: str) -> Problem:
    """A problem at a key of the step number `index` of the file."""
    _, blocks = split(path.read_text(encoding="utf-8"), str(path))
    block = [each for each in blocks if each.kind == "step"][index]
    root, _ = yaml_reader.parse("\n" * block.lines_before + block.text, str(path))
    place = find(root, (key,))
    return place.node.problem(place.label, message)


def everything(library: Library) -> Iterator[Runbook]:
    """All runbooks of a library. Raises EstateErrors."""
    for name in library.names():
        yield library.get(name)
