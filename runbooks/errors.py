"""What goes wrong with a runbook or a run."""

from __future__ import annotations

from typing import Any, TypeAlias

Value: TypeAlias = Any
"""What an expression of a runbook may be: checked where it is used."""


class RunbookError(Exception):
    """Wrong use: a runbook, a parameter or a name that is not right. Japanese lines; nothing was touched."""


class UnreachableError(Exception):
    """A host cannot be reached, or does not prove who it is. One Japanese line."""


class ConflictError(Exception):
    """Another run holds a host. One Japanese line that says which."""


class JournalError(Exception):
    """The journal cannot be read or written, or was tampered with. One Japanese line."""
