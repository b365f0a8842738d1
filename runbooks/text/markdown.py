"""Markdown of a runbook -> its front matter and its fenced blocks, each with the line where it begins."""

from __future__ import annotations

import re
from dataclasses import dataclass

from estate.problems import EstateErrors, Problem

KINDS = ("fact", "precondition", "step")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})[ \t]*([^`]*?)[ \t]*$")


@dataclass(frozen=True)
class Fenced:
    """A YAML block: its kind, its text, and the number of the line before its first one."""

    kind: str
    text: str
    lines_before: int


def split(text: str, file: str) -> tuple[Fenced, list[Fenced]]:
    """The front matter and the blocks in the order of the file. Raises EstateErrors.

    Only fences whose info string is `yaml fact`, `yaml precondition` or `yaml step` are blocks; others are prose.
    """
    lines = text.split("\n")
    if lines[0].strip() != "---":
        raise EstateErrors([Problem(file, 1, 1, "", "運用手順書は「---」の行で始まる見出し（YAML）が要ります")])
    end = next((at for at in range(1, len(lines)) if lines[at].strip() == "---"), None)
    if end is None:
        raise EstateErrors([Problem(file, 1, 1, "", "見出し（YAML）を閉じる「---」の行がありません")])
    blocks: list[Fenced] = []
    problems: list[Problem] = []
    at = end + 1
    while at < len(lines):
        opening = _FENCE.match(lines[at])
        if not opening:
            at += 1
            continue
        closing = _closing(lines, at, opening[1])
        if closing is None:
            raise EstateErrors([*problems, Problem(file, at + 1, 1, "", "コードブロックが閉じていません")])
        words = opening[2].split()
        if words[:1] == ["yaml"] and len(words) > 1:
            if len(words) == 2 and words[1] in KINDS:
                blocks.append(Fenced(words[1], "\n".join(lines[at + 1 : closing]), at + 1))
            else:
                kinds = "、".join(f"yaml {kind}" for kind in KINDS)
                column = lines[at].index(words[1]) + 1
                problems.append(Problem(file, at + 1, column, "", f"知らない種類のブロックです。使えるもの: {kinds}"))
        at = closing + 1
    if problems:
        raise EstateErrors(problems)
    return Fenced("header", "\n".join(lines[1:end]), 1), blocks


def _closing(lines: list[str], opening: int, mark: str) -> int | None:
    ends = re.compile(rf"^ {{0,3}}{re.escape(mark[0])}{{{len(mark)},}}[ \t]*$")
    return next((at for at in range(opening + 1, len(lines)) if ends.match(lines[at])), None)
