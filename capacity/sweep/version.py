"""Which simulation made a result: the code that decides its figures, and the libraries below it."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib import metadata
from pathlib import Path

_SOURCES = ("capacity/*.py", "capacity/simulation/**/*.py", "estate/*.py", "layout/*.py")
_OWN_SOURCES = tuple(f"capacity/sweep/{name}.py" for name in ("figures", "plans", "subject", "task"))
_LIBRARIES = ("numba", "numpy", "pyarrow", "pydantic", "scipy", "simpy")


@cache
def version() -> str:
    """sha256 over the sources that a simulation runs through, Python and the libraries.

    Two machines with the same one give the same bytes; a result of another one is made anew. The number of a release
    would not do: it stays the same while the program is changed.
    """
    house = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for line in (platform.python_version(), *(f"{name} {metadata.version(name)}" for name in _LIBRARIES)):
        digest.update(line.encode() + b"\n")
    for path in sorted({path for pattern in (*_SOURCES, *_OWN_SOURCES) for path in house.glob(pattern)}):
        digest.update(f"{path.relative_to(house).as_posix()}\n".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
