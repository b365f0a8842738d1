"""How cores are shared: max-min fairness, by filling the smallest wish first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate


def max_min_fair(capacity: float, wants: Sequence[float], weights: Sequence[float] | None = None) -> list[float]:
    """Shares of `capacity` cores among takers that want `wants` cores each, in the order given.

    Nobody gets more than is wanted, and nobody could get more without somebody with no more per weight getting less
    (Bertsekas and Gallager, Data Networks, 6.5.2): whoever wants less than an equal part (by weight) of what is left
    gets all of it, the others share the rest equally. Only + - * / and comparisons are used, so exact numbers stay
    exact. Without `weights` all weigh the same.
    """
    if sum(wants) <= capacity:
        return list(wants)
    shares = list(wants)
    left = capacity
    if weights is None:
        takers = len(shares)
        for index in sorted(range(takers), key=shares.__getitem__):
            shares[index] = min(shares[index], left / takers)
            left -= shares[index]
            takers -= 1
        return shares
    order = sorted(range(len(shares)), key=lambda index: wants[index] / weights[index])
    # Summed from the last taker on, because taking one weight after the other from the total would lose digits.
    not_filled = list(accumulate(weights[index] for index in reversed(order)))[::-1]
    for index, weight_left in zip(order, not_filled, strict=True):
        shares[index] = min(shares[index], left * weights[index] / weight_left)
        left -= shares[index]
    return shares
