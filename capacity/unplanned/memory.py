"""How much memory a simulation takes, before it starts.

Sites are simulated one after the other and forgotten as soon as they are written, so that memory follows the largest
of them and not the estate. The sizes below were measured on the estate of all municipalities (benchmarks/nation.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from .groups import SiteGroup

BYTES_PER_RUN = 330
"""Of a group while it is simulated: its columns, the engine's own, results and what is made of them."""
BASE_BYTES = 600 * 1024**2
"""Programs, catalogue, templates and the pieces of a file that is being written."""


def needed(groups: Sequence[SiteGroup], workers: int) -> int:
    """Bytes at most, with so many groups at once: the largest together."""
    largest = sorted((group.runs for group in groups), reverse=True)[:workers]
    return BASE_BYTES + BYTES_PER_RUN * sum(largest)


def workers_within(groups: Sequence[SiteGroup], limit: int, most: int) -> int:
    """How many groups can be simulated at once within `limit` bytes, at most `most`; 0 where not even one can."""
    return next((workers for workers in range(most, 0, -1) if needed(groups, workers) <= limit), 0)
