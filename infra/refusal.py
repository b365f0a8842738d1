"""What the program and the deployment refuse, in words for the engineer."""

from __future__ import annotations

from collections.abc import Iterable


class RefusalError(Exception):
    """A mistake of the user, or a state of things that we will not build upon. The message is Japanese, for one reader.

    `unfit` says that the plan itself is what does not fit (exit code 3), not the way it was used.
    """

    def __init__(self, message: str, *, unfit: bool = False) -> None:
        super().__init__(message)
        self.unfit = unfit


def some(names: Iterable[str], limit: int = 5) -> str:
    """The first names of a list, and how many more there are."""
    listed = list(names)
    more = f" ほか {len(listed) - limit} 件" if len(listed) > limit else ""
    return "、".join(listed[:limit]) + more
