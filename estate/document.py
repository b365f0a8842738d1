"""One YAML file as one record: the reader that other rooms call for their data files."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from .problems import EstateErrors
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
