"""Times over a year to the last digit: what a float64 lacks is carried beside it.

A second late in the year is known to 4e-9 s. Runs that follow each other without a pause would add up as many
roundings, so the time of an event is kept as a float64 and the rest to the exact sum, at most half its last digit.
"""

from __future__ import annotations

from .compiled import compiled


@compiled
def later_by(now: float, rest: float, seconds: float) -> tuple[float, float]:
    """The time `seconds` after `now` and `rest`, and its own rest (Knuth's two-sum, twice)."""
    at = now + seconds
    part = at - now
    lost = (now - (at - part)) + (seconds - part) + rest
    exact = at + lost
    return exact, lost - (exact - at)
