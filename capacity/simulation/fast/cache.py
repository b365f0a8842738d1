"""Where compiled code is kept between starts, so that only the first start ever compiles.

A folder named after all that the code depends on (sources, compiler, processor) holds the files and a list of their
digests. It appears under its name as a whole, so processes that start at once do not meet half of it; what is damaged
is compiled anew. The first of these that can be written is used: `__pycache__` beside the sources, the user's cache
folder (`XDG_CACHE_HOME`, or `~/.cache`). Without any, each process compiles for itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import logging
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llvmlite  # type: ignore[import-untyped]
import llvmlite.binding  # type: ignore[import-untyped]
import numba
from numba import config

from .kernel.compiled import OPTIONS

_LOG = logging.getLogger(__name__)
_MANIFEST = "manifest.json"
_SETTING = "CACHE_DIR"
"""Numba makes its settings when it is loaded, so the type checker does not know them."""


def compiled_once(function: Callable[..., Any], signature: tuple[Any, ...]) -> Callable[..., Any]:
    """The function compiled for this signature: out of a cache folder if possible, otherwise put into one."""
    name = f"kumiai-{_digest(function)[:32]}"
    for root in cache_roots():
        made = _loaded(root / name, function, signature)
        if made is not None:
            return made
    _LOG.info("計算エンジンを準備しています（この計算機で一度だけ、1 分ほど）")
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


def _digest(function: Callable[..., Any]) -> str:
    digest = hashlib.sha256()
    # Numba's own index goes by place, size and time of the function's file: where it would find nothing, another
    # folder is due, or it would compile into one whose list of digests is closed.
    source_file = Path(inspect.getfile(function)).resolve()
    stamp = source_file.stat()
    digest.update(f"{source_file}\0{stamp.st_size}\0{stamp.st_mtime_ns}\0".encode())
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
    if not _intact(folder):
        return None
    with _cache_in(folder):
        return _compiled(function, signature, cache=True)


def _intact(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / _MANIFEST).read_text()) == _digests(folder))
    except (OSError, ValueError):
        return False


def _stored(
    scratch: Path, folder: Path, function: Callable[..., Any], signature: tuple[Any, ...]
) -> Callable[..., Any]:
    with _cache_in(scratch):
        made = _compiled(function, signature, cache=True)
    try:
        (scratch / _MANIFEST).write_text(json.dumps(_digests(scratch)))
        if not _intact(folder):  # another process may have been first
            shutil.rmtree(folder, ignore_errors=True)
            scratch.rename(folder)
    except OSError:
        return made  # the disk is full, or another process came in between: the code is here all the same
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
    before = getattr(config, _SETTING)
    setattr(config, _SETTING, str(folder))
    try:
        yield
    finally:
        setattr(config, _SETTING, before)


def _compiled(function: Callable[..., Any], signature: tuple[Any, ...], *, cache: bool) -> Callable[..., Any]:
    made: Callable[..., Any] = numba.njit(signature, cache=cache, **OPTIONS)(function)
    return made
