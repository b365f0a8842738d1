"""JSON documents of a plan folder: bytes of a record, and a record of bytes that nobody vouches for."""

from __future__ import annotations

import json
import re
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import FolderError
from .records import FORMAT_VERSION

_Model = TypeVar("_Model", bound=BaseModel)
_MAJOR = FORMAT_VERSION.partition(".")[0]
_PLACE = re.compile(r" at line (\d+) column (\d+)$")
_FIRST_KEY = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"format_version"[ \t\r\n]*:[ \t\r\n]*"([0-9.]{1,20})"')
_SPACE = re.compile(r"[ \t\r\n]*")

_MESSAGES = {
    "missing": "この項目がありません",
    "int_type": "整数が必要です",
    "int_from_float": "整数が必要です",
    "int_parsing_size": "整数が大きすぎます",
    "float_type": "数値が必要です",
    "finite_number": "有限の数値が必要です",
    "string_type": "文字列が必要です",
    "bool_type": "true か false が必要です",
    "tuple_type": "配列が必要です",
    "dict_type": "オブジェクトが必要です",
    "model_type": "オブジェクトが必要です",
    "model_attributes_type": "オブジェクトが必要です",
    "datetime_type": "日時（ISO 8601）が必要です",
    "datetime_parsing": "日時（ISO 8601）が必要です",
    "datetime_from_date_parsing": "日時（ISO 8601）が必要です",
    "date_type": "日付が必要です",
    "date_parsing": "日付が必要です",
    "date_from_datetime_parsing": "日付が必要です",
    "literal_error": "決められた値ではありません",
    "string_pattern_mismatch": "書式が違います",
    "greater_than_equal": "小さすぎます",
    "greater_than": "小さすぎます",
    "less_than_equal": "大きすぎます",
    "recursion_loop": "入れ子が深すぎます",
}


class _Envelope(BaseModel):
    """The version of a document, whatever else it holds."""

    model_config = ConfigDict(extra="ignore", strict=True)

    format_version: str


def to_bytes(record: BaseModel) -> bytes:
    """Bytes of a record: fields in their order, text unescaped, indented by 1, one newline at the end.

    A record without a `format_version` field gets one as its first key.
    """
    text = record.model_dump_json(indent=1, by_alias=True)
    if "format_version" not in type(record).model_fields:
        text = f'{{\n "format_version": "{FORMAT_VERSION}",{text[1:]}'
    return text.encode() + b"\n"


def from_bytes(data: bytes, model: type[_Model], name: str, *, shown: bytes | None = None) -> _Model:
    """The record in `data`; unknown keys are ignored, another major version is refused.

    `name` is the file's name for messages. Raises FolderError with line and column, in `shown` where `data` is a
    completed copy of the file.
    """
    try:
        version = _version(data)
        if not re.fullmatch(r"[0-9]{1,6}\.[0-9]{1,6}", version):
            raise FolderError(
                f"{name}: format_version が読めません（{_short(version)}）。正しい形は {FORMAT_VERSION} です"
            )
        if version.partition(".")[0] != _MAJOR:
            raise FolderError(f"{name}: 形式バージョン {version} は読めません（この版が読めるのは {_MAJOR}.x です）")
        return model.model_validate_json(data, strict=True, extra="ignore")
    except ValidationError as error:
        raise FolderError(_explain(error, data if shown is None else shown, name)) from None
    except RecursionError:
        raise FolderError(f"{name}: 入れ子が深すぎます") from None


def _version(data: bytes) -> str:
    """The document's version: where it is the first key, as everybody writes it, without reading on."""
    first = _FIRST_KEY.match(data)
    return first.group(1).decode() if first else _Envelope.model_validate_json(data, strict=True).format_version


def _explain(error: ValidationError, data: bytes, name: str) -> str:
    found = error.errors(include_url=False, include_context=True)
    first = found[0]
    more = f"（ほか {len(found) - 1} 件）" if len(found) > 1 else ""
    if first["type"] == "json_invalid":
        reason = str(first.get("ctx", {}).get("error", first["msg"]))
        place = _PLACE.search(reason)
        where = f":{place.group(1)}:{place.group(2)}" if place else ""
        return f"{name}{where}: JSON として読めません（{_PLACE.sub('', reason)}）"
    line_column = position(data, first["loc"])
    where = f":{line_column[0]}:{line_column[1]}" if line_column else ""
    path = _path(first["loc"]) or "(全体)"
    message = _MESSAGES.get(first["type"], first["msg"])
    value = "" if first["type"] == "missing" else f"（値: {_short(first['input'])}）"
    return f"{name}{where}: {path}: {message}{value}{more}"


def _path(loc: tuple[int | str, ...]) -> str:
    path = ""
    for step in loc:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return _short(path, 200)


def _short(value: object, limit: int = 60) -> str:
    """Value for a message: one line, bounded, whatever it is."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str) else value
    except (RecursionError, ValueError):
        text = type(value).__name__
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def position(data: bytes, loc: tuple[int | str, ...]) -> tuple[int, int] | None:
    """Line and column (from 1) of the value at `loc`, or of the nearest parent that exists."""
    text = data.decode("utf-8", "replace")
    offset = _skip_space(text, 0)
    try:
        for step in loc:
            child = _child(text, offset, step)
            if child is None:
                break
            offset = child
    except (ValueError, IndexError, RecursionError):
        return None
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _child(text: str, offset: int, step: int | str) -> int | None:
    """Offset of the member `step` of the JSON value that starts at `offset`; None when it has no such member."""
    decoder = json.JSONDecoder()
    opening = text[offset]
    if opening not in "{[":
        return None
    offset = _skip_space(text, offset + 1)
    index = 0
    found: int | None = None
    while text[offset] not in "}]":
        key: int | str = index
        if opening == "{":
            key, offset = decoder.raw_decode(text, offset)
            offset = _skip_space(text, _skip_space(text, offset) + 1)
        if key == step:
            # The last of several equal keys is the one that was read.
            found = offset
            if opening == "[":
                return found
        _, offset = decoder.raw_decode(text, offset)
        offset = _skip_space(text, offset)
        if text[offset] == ",":
            offset = _skip_space(text, offset + 1)
        index += 1
    return found


def _skip_space(text: str, offset: int) -> int:
    match = _SPACE.match(text, offset)
    return match.end() if match else offset
