"""The compiled loop, ready to be called: from the cache of compiled code, or compiled now."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeAlias, cast, get_type_hints

import numba
import numpy as np

from capacity.records import Floats

from .cache import compiled_once
from .kernel.loop import play
from .kernel.state import ACTIVE, CHANGE, ENTRY, HOST, PART, PIECE, TRANSFER, VM, Found, Given, Kept

Play: TypeAlias = Callable[[Given, Kept, Found, int, float], int]

_LOADING = threading.Lock()

_GIVEN = {"timetable": CHANGE, "part": PART, "order": "i4", "follower": "i4", "move_keeps_work": "?"}
_KEPT = {
    "count": "i8",
    "clock": "f8",
    "host": HOST,
    "vm": VM,
    "act": ACTIVE,
    "io": TRANSFER,
    "wire": TRANSFER,
    "heap": ENTRY,
    "later": ENTRY,
    "levels": "f8",
    "earliest_s": "f8",
    "window": "i8",
}
_FOUND = {"pieces": PIECE}


def compiled_play() -> Play:
    """`loop.play` as machine code. The first call of a process loads it; the first ever compiles it (a minute)."""
    with _LOADING:
        return _load()


@functools.cache
def _load() -> Play:
    signature = (
        numba.typeof(empty_given()),
        numba.typeof(Kept(*(np.zeros(0, _KEPT.get(name, "i4")) for name in Kept._fields))),
        numba.typeof(Found(*(np.zeros(0, _FOUND.get(name, _column(Found, name))) for name in Found._fields))),
        numba.int64,
        numba.float64,
    )
    return cast(Play, compiled_once(play, signature))


@functools.cache
def empty_given() -> Given:
    """A `Given` without rows, to be filled; every array of a `Given` is read-only and lies in one piece."""
    columns: dict[str, Any] = {
        name: np.zeros(0, _GIVEN.get(name, _column(Given, name))) for name in Given._fields if name != "online_first"
    }
    for column in columns.values():
        column.flags.writeable = False
    return Given(**columns, online_first=True)


@functools.cache
def _column(record: type[Given] | type[Found], name: str) -> str:
    return "f8" if get_type_hints(record)[name] == Floats else "i8"
