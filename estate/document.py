"""One YAML file as one record: the reader that other rooms call for their data files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from .places import Step, find
from .problems import EstateErrors, Problem
from .validation import validate
from .yaml_reader import read

M = TypeVar("M", bound=BaseModel)


def read_document(path: Path, model: type[M]) -> M:
    """The record of type `model` that the YAML file at `path` holds.

    Raises EstateErrors with every mistake and its place: an unreadable file, syntax, types, unknown keys.
    """
    root, problems = read(path)
    document = validate(root, problems, model)
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
