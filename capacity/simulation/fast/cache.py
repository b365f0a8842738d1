"""Where compiled code is kept between starts, so that only the first start ever compiles.

A folder named after all that the code depends on (sources, compiler, processor) holds the files and a list of their
digests. It appears under its name as a whole, so processes that start at once do not meet half of it; what is damaged
is compiled anew. The first of these that can be written is used: `__pycache__` beside the sources, the user's cache
folder (`XDG_CACHE_HOME`, or `~/.cache`). Without any, each process compiles for itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding
import numba
from numba.core import config

from .kernel.compiled import OPTIONS

_MANIFEST = "manifest.json"


def compiled_once(function: Callable[..., Any], signature: tuple[Any, ...]) -> Callable[..., Any]:
    """The function compiled for this signature: out of a cache folder if possible, otherwise put into one."""
    name = f"kumiai-{_digest()[:32]}"
    for root in cache_roots():
        made = _loaded(root / name, function, signature)
        if made is not None:
            return made
    for root in cache_roots():
        try:
            root.mkdir(parents=True, exist_ok=True)
            scratch = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=root))
        except OSError:
            continue
        try:
            return _stored(scratch, root / name, function, signature)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return _compiled(function, signature, cache=False)


def cache_roots() -> tuple[Path, ...]:
    """Folders that may hold compiled code, the preferred first."""
    own = os.environ.get("XDG_CACHE_HOME")
    user = Path(own) if own and Path(own).is_absolute() else Path("~/.cache").expanduser()
    return Path(__file__).parent / "__pycache__", user / "kumiai"


def _digest() -> str:
    digest = hashlib.sha256()
    for source in sorted((Path(__file__).parent / "kernel").glob("*.py")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    features = llvmlite.binding.get_host_cpu_features().flatten()
    for part in (
        numba.__version__,
        llvmlite.__version__,
        platform.python_version(),
        platform.python_implementation(),
        platform.machine(),
        llvmlite.binding.get_host_cpu_name(),
        features,
    ):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _loaded(folder: Path, function: Callable[..., Any], signature: tuple[Any, ...]) -> Callable[..., Any] | None:
    try:
        intact = json.loads((folder / _MANIFEST).read_text()) == _digests(folder)
    except (OSError, ValueError):
        return None
    if not intact:
        return None
    with _cache_in(folder):
        return _compiled(function, signature, cache=True)


def _stored(
    scratch: Path, folder: Path, function: Callable[..., Any], signature: tuple[Any, ...]
) -> Callable[..., Any]:
    with _cache_in(scratch):
        made = _compiled(function, signature, cache=True)
    try:
        (scratch / _MANIFEST).write_text(json.dumps(_digests(scratch)))
        shutil.rmtree(folder, ignore_errors=True)  # damaged, or it would have been loaded
        scratch.rename(folder)
    except OSError:
        return made  # another process was first, or the disk is full: the code is here all the same
    return made


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != _MANIFEST
    }


@contextlib.contextmanager
def _cache_in(folder: Path) -> Iterator[None]:
    """Let numba keep what it compiles meanwhile in `folder`; it asks for the place when a function is declared."""
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        config.CACHE_DIR = before


def _compiled(function: Callable[..., Any], signature: tuple[Any, ...], *, cache: bool) -> Callable[..., Any]:
    made: Callable[..., Any] = numba.njit(signature, cache=cache, **OPTIONS)(function)
    return made
