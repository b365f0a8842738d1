"""A row of hosts out of one pattern: `kvm{01..12}`."""

from __future__ import annotations

import re
from itertools import product

MOST_HOSTS = 10_000
_RANGE = re.compile(r"\{([0-9]+)\.\.([0-9]+)\}")


class PatternError(ValueError):
    """The pattern stands for no host or for too many; the message says why, in Japanese."""


def expand(pattern: str) -> tuple[str, ...]:
    """The host ids of a pattern, in order. The width of the first number is kept: `{01..12}` gives 01, 02 … 12.

    Raises PatternError for a reversed range and for more than 10,000 hosts.
    """
    parts = _RANGE.split(pattern)
    ranges: list[list[str]] = []
    total = 1
    for first, last in zip(parts[1::3], parts[2::3], strict=True):
        count = int(last) - int(first) + 1
        if count < 1:
            raise PatternError(f"範囲が逆です（{first}..{last}）。小さい番号から書いてください")
        total *= count
        if total > MOST_HOSTS:
            raise PatternError(f"ホストが多すぎます。一つの範囲は {MOST_HOSTS:,} 台までです")
        ranges.append([str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)])
    texts = parts[0::3]
    return tuple(
        texts[0] + "".join(number + text for number, text in zip(numbers, texts[1:], strict=True))
        for numbers in product(*ranges)
    )
