"""Where in shell text an inserted value stands: quoting protects a word of its own, and nowhere else.

`'{{ name }}'` or `"… {{ name }} …"` would put quotes inside quotes, and a here-document or an arithmetic expansion
evaluates what it holds whatever its quotes. Such places are refused when the runbook is read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_AGAIN = re.compile(r"(?:^|[\s;&|(])(?:eval|ssh|su|xargs|watch|(?:ba|da|z)?sh\s+-\w*c)(?:\s|$)")
"""Words that hand their arguments to another shell."""
_ENDS = ";&|\n"
_OPEN = ("", "$(", "(")
"""Where words are split: outside of everything, in a command substitution, in a subshell."""


@dataclass(frozen=True)
class Insertion:
    """A `{{ … }}`; `quoted` where its last filter is `quoted`, so that it survives a second shell."""

    quoted: bool


def problem(pieces: Sequence[str | Insertion]) -> str | None:
    """What is wrong with a command of these pieces of literal text and insertions; None if every value is safe.

    The shell is `sh`. Backquotes and here-documents are refused, because nobody reads them right.
    """
    scan = _Scan()
    for piece in pieces:
        found = scan.insertion(piece) if isinstance(piece, Insertion) else scan.text(piece)
        if found:
            return found
    return f"「{scan.top}」が閉じていません" if scan.top else None


class _Scan:
    """Reads shell text sign by sign and knows which brackets and quotation marks are open."""

    def __init__(self) -> None:
        self.nesting: list[str] = []
        self.words = ""  # of the simple command so far
        self.fresh = True  # at the beginning of a word

    @property
    def top(self) -> str:
        return self.nesting[-1] if self.nesting else ""

    def insertion(self, piece: Insertion) -> str | None:
        if self.top not in _OPEN:
            return (
                f"値を差し込む {{{{ }}}} が「{self.top}」の中にあります。引用符などの外に、一つの語として書いてください"
            )
        if _AGAIN.search(self.words) and not piece.quoted:
            return "別のシェルが解釈し直す語（ssh、eval、sh -c など）の後には {{ 値 | quoted }} と書いてください"
        self.fresh = False
        return None

    def text(self, text: str) -> str | None:
        at = 0
        while at < len(text):
            if self.top == "'":
                end = text.find("'", at)
                if end < 0:
                    return None
                self.nesting.pop()
                at = end + 1
                continue
            if text[at] == "`":
                return "バッククォートは使えません。$( … ) と書いてください"
            if self.top in _OPEN and text.startswith("<<", at):
                return "ヒアドキュメントは使えません。input を使ってください"
            at += self._step(text, at)
        return None

    def _step(self, text: str, at: int) -> int:
        """Takes in what begins at `at`; answers how many signs that were."""
        sign, splits = text[at], self.top in _OPEN
        if splits and sign == "#" and self.fresh:
            end = text.find("\n", at)
            return (end if end >= 0 else len(text)) - at
        self.fresh = splits and sign in f" \t{_ENDS}()"
        if splits and sign in _ENDS:
            self.words = ""
            return 1
        self.words += sign
        if sign == "\\":
            return 2
        for opening in ("$((", "$(", "${"):
            if text.startswith(opening, at):
                self.nesting.append(opening)
                self.words, self.fresh = "", True
                return len(opening)
        if self.top == "$((" and text.startswith("))", at):
            self.nesting.pop()
            return 2
        self._mark(sign, splits=splits)
        return 1

    def _mark(self, sign: str, *, splits: bool) -> None:
        closes = {'"': '"', "}": "${", ")": self.top if self.top in ("$(", "(") else ""}.get(sign)
        if closes and closes == self.top:
            self.nesting.pop()
            if sign == ")":
                self.words = ""
        elif sign == '"' or (splits and sign in "'("):
            self.nesting.append(sign)
            if sign == "(":
                self.words = ""
