"""How functions of this engine are compiled: without the interpreter's lock, with plain floating-point arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

Records: TypeAlias = Any
"""A structured array; its fields are named in `state.py`. Compiled code knows them, the type checker does not."""

OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""Nothing is allocated while the loop runs, so nothing needs to be counted: half the time to compile (`_nrt`)."""


def compiled(function: Function) -> Function:
    """The function for use in compiled code. It is compiled with its caller, so it needs no signature of its own."""
    made: Function = numba.njit(**OPTIONS)(function)
    return made


def inlined(function: Function) -> Function:
    """The same for functions that take all there is: handing it over would cost more than what they do."""
    made: Function = numba.njit(inline="always", **OPTIONS)(function)
    return made
