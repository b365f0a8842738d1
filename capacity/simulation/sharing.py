"""How cores are shared: max-min fairness, by filling the smallest wish first."""

from __future__ import annotations

from collections.abc import Sequence


def max_min_fair(capacity: float, wants: Sequence[float]) -> list[float]:
    """Shares of `capacity` cores among takers that want `wants` cores each, in the order given.

    Nobody gets more than is wanted, and nobody could get more without somebody with no more getting less
    (Bertsekas and Gallager, Data Networks, 6.5.2): whoever wants less than an equal part of what is left gets all
    of it, the others share the rest equally. Only + - / and comparisons are used, so exact numbers stay exact.
    """
    if sum(wants) <= capacity:
        return list(wants)
    shares = list(wants)
    left = capacity
    takers = len(shares)
    for index in sorted(range(takers), key=shares.__getitem__):
        shares[index] = min(shares[index], left / takers)
        left -= shares[index]
        takers -= 1
    return shares
