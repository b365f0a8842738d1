"""Secrets by reference: a runbook names one, the file below STATE/secrets holds it, and nothing shows it."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from layout.secret import Secret
from runbooks.errors import RunbookError

FOLDER = "secrets"
SHORTEST_LINE = 8
"""Lines of a secret shorter than this are not hidden by themselves: `}` would blacken everything."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*){0,3}", re.IGNORECASE)


def find(state: Path, name: str) -> Secret:
    """The secret of that name. Raises RunbookError where there is none, or where others may read it."""
    if not _NAME.fullmatch(name):
        raise RunbookError(f"秘密の名前「{name[:80]}」は使えません")
    path = state / FOLDER / name
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise RunbookError(f"秘密「{name}」を読めません（{path}、{error.strerror}）") from None
    with os.fdopen(handle, encoding="utf-8") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise RunbookError(f"秘密「{name}」はほかの人も読めます。chmod 600 {path} としてください")
        return Secret(file.read())


class Blackened:
    """Hides the secrets that a run has used, in everything it shows or records from then on."""

    def __init__(self) -> None:
        self._hidden: list[Secret] = []

    def add(self, secret: Secret) -> None:
        """From here on this one is hidden, whole and line by line."""
        text = secret.reveal()
        parts = {text, text.strip(), *(line.strip() for line in text.splitlines())}
        fresh = [Secret(part) for part in parts if len(part) >= SHORTEST_LINE or part == text.strip() != ""]
        self._hidden = sorted([*self._hidden, *fresh], key=lambda each: -len(each.reveal()))

    def __call__(self, text: str) -> str:
        """The text without any secret."""
        for secret in self._hidden:
            text = secret.hide(text)
        return text
