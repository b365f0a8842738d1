"""A command line that no command understands, said in one Japanese sentence instead of the library's English."""

from __future__ import annotations

import re
from typing import Any, TypeAlias

UsageError: TypeAlias = Any
"""A usage error of the command-line library. Its classes are not public, so it goes by their names and fields."""

_WANTED = (
    (re.compile(r"^Input should be a valid integer"), "整数を書いてください"),
    (re.compile(r"^Input should be a valid number"), "数を書いてください"),
    (re.compile(r"^Input should be a valid boolean"), "true か false を書いてください"),
    (re.compile(r"^Input should be greater than or equal to (\S+)$"), r"\1 以上の数を書いてください"),
    (re.compile(r"^Input should be less than or equal to (\S+)$"), r"\1 以下の数を書いてください"),
    (re.compile(r"^Input should be (.+)$"), r"\1 のどれかを書いてください"),
)
"""What the library says about a value, and the same for a user."""


def sentence(error: UsageError) -> str:
    """What is wrong with the command line, what was found, and where to read what would be right."""
    context = error.ctx
    help_at = f"使い方は {context.command_path} --help" if context is not None else "使い方は kumiai --help"
    return f"{_problem(error)}。{help_at}"


def _problem(error: UsageError) -> str:
    kind, message = type(error).__name__, str(error.message)
    if kind == "NoSuchOption":
        near = "、".join(sorted(error.possibilities or ()))
        return f"{error.option_name}: そのようなオプションはありません{f'（近いもの: {near}）' if near else ''}"
    if kind == "MissingParameter":
        return f"{_name_of(error)} がありません"
    if kind == "BadOptionUsage":
        return f"{error.option_name}: 値がないか、値の付け方が違います"
    if kind == "BadParameter":
        return f"{_name_of(error)}: {_value(message)}"
    if message.startswith("No such command"):
        return f"そのような命令はありません（{message.split(chr(39))[1]}）"
    if message.startswith("Got unexpected extra argument"):
        return f"余分な引数があります（{message.rpartition(' (')[2].removesuffix(')')}）"
    if message.startswith("Missing command"):
        return "命令がありません"
    return f"命令の書き方が違います（{message}）"


def _value(message: str) -> str:
    for pattern, wanted in _WANTED:
        if found := pattern.match(message):
            return found.expand(wanted)
    return f"値が正しくありません（{message}）"


def _name_of(error: UsageError) -> str:
    parameter = error.param
    if parameter is None:
        return str(error.param_hint or "引数")
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name)
    return str(parameter.opts[-1])
