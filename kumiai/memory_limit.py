"""`--memory-limit`: a size as people write it."""

from __future__ import annotations

import re

from .terminal import RefusedError

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(GiB|MiB)")
_MOST = 1e9
_UNITS = {"GiB": 1024**3, "MiB": 1024**2}


def bytes_of(text: str) -> int:
    """`4GiB` in bytes. Raises RefusedError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or not 0 < float(found.group(1)) <= _MOST:
        raise RefusedError(
            f"--memory-limit: 量が正しくありません（{text[:40]}）。4GiB や 800MiB のように書いてください"
        )
    return int(float(found.group(1)) * _UNITS[found.group(2)])
