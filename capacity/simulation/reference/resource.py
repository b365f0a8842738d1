"""What a host's cores, its storage and a line have in common: they are shared, and know their next end of work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from .clock import Occurrence
from .work import Work


class Resource(Protocol):
    """Something that serves work."""

    wake: Wake | None

    def share(self, now: float) -> float:
        """Set the rates anew and answer when the next work is through (infinity: never)."""

    def through(self, until_s: float) -> Iterable[Work]:
        """Work that is served by then."""


class Wake(Occurrence):
    """A resource's next work is through; void as soon as the resource is shared anew."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
