"""The one error of this room: the input cannot be counted."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class LicensingError(ValueError):
    """A rule file, a layout or an entitlement cannot be counted. One Japanese line per mistake, nothing is written."""

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        self.problems: tuple[str, ...] = problems
        super().__init__("\n".join(problems))


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """Answers which known name was probably meant, as the end of a message; lists all when none is near."""
    names = sorted(known)
    near = get_close_matches(found, names, n=1, cutoff=0.6)
    if near:
        return f"（{near[0]} のことですか）"
    return f"（使えるもの：{'、'.join(names) if names else 'なし'}）"
