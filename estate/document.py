"""One YAML file as one record: the reader that other rooms call for their data files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from .places import Step, find
from .problems import EstateErrors, Problem
from .validation import validate
from .yaml_reader import read

M = TypeVar("M", bound=BaseModel)


Findings = Iterable[tuple[Sequence[str | int], str]]
"""Paths in a record (keys and indices) and what is wrong there."""


def read_document(path: Path, model: type[M], check: Callable[[M], Findings] | None = None) -> M:
    """The record of type `model` that the YAML file at `path` holds.

    `check` finds the contradictions that types cannot express; each gets the line and column of its path.
    Raises EstateErrors with every mistake and its place: an unreadable file, syntax, types, unknown keys, `check`.
    """
    root, problems = read(path)
    document = validate(root, problems, model)
    if check is not None and document.record is not None:
        for steps, message in check(document.record):
            document.report(steps, message)
    if document.problems or document.record is None:
        raise EstateErrors(document.problems)
    return document.record


def problem_at(path: Path, steps: Sequence[Step], message: str) -> Problem:
    """A mistake that a room found in a file it has read, with its place: keys and indices lead there.

    Where there is no node at the end of `steps` (a key that is missing) it is that of the nearest one above.
    """
    root, _ = read(path)
    place = find(root, steps)
    return place.node.problem(place.label, message)
