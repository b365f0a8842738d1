"""The report as one JSON document: the neutral record as it is, for other programs."""

from __future__ import annotations

import dataclasses
import json
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel

from .record import ReportRecord

FORMAT_VERSION = "1.0"


def render(record: ReportRecord) -> bytes:
    """The document's bytes, the same for the same record. Times are ISO 8601; keys are those of the record."""
    document = {"layout_digest": record.layout_digest, "format_version": FORMAT_VERSION, "verdict": record.verdict}
    for field in dataclasses.fields(record):
        document.setdefault(field.name, _plain(getattr(record, field.name)))
    return (json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON has no narrower type
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        # Names of jobs have keys of three parts.
        return {"/".join(key) if isinstance(key, tuple) else str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value
