"""Which value a plain YAML scalar stands for: the core schema of YAML 1.2 (section 10.3.2).

PyYAML follows YAML 1.1, where `22:30` is 1350, `NO` is false and `2027-04-01` a timestamp. Here they are text.
"""

from __future__ import annotations

import re

Scalar = str | int | float | bool | None

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_DECIMAL = re.compile(r"[-+]?[0-9]+", re.ASCII)
_OCTAL = re.compile(r"0o[0-7]+", re.ASCII)
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_INFINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII)
_MOST_DIGITS = 300  # beyond this neither float nor any unit of this product can hold the number
_FIRST_OF_NUMBER = frozenset("+-.0123456789")


class NotANumber(ValueError):  # noqa: N818 - names the finding; it never reaches the user as an exception
    """The scalar is NaN, infinite, or too large for a number."""


def resolve(text: str) -> Scalar:
    """Value of a plain (unquoted) scalar. Raises NotANumber for NaN, infinity and numbers beyond float's range."""
    if text in _NULL:
        return None
    if text[0] not in _FIRST_OF_NUMBER:
        return True if text in _TRUE else False if text in _FALSE else text
    return _number(text)


def _number(text: str) -> Scalar:
    if _INFINITE.fullmatch(text):
        raise NotANumber(text)
    if len(text) > _MOST_DIGITS and (_DECIMAL.fullmatch(text) or _FLOAT.fullmatch(text) or text[:2] in ("0x", "0o")):
        raise NotANumber(text)
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if _HEXADECIMAL.fullmatch(text):
        return int(text[2:], 16)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise NotANumber(text)
        return value
    return text
