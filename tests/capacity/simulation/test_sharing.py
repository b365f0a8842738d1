"""Water-filling with exact numbers."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capacity.simulation.sharing import max_min_fair

AMOUNTS = st.fractions(min_value=0, max_value=10, max_denominator=12)


@pytest.mark.parametrize(
    ("capacity", "wants", "shares"),
    [
        (4000, [3000, 1500], [2500, 1500]),
        (4000, [6000, 5000], [2000, 2000]),
        (4000, [1000, 3000], [1000, 3000]),
        (2, [1, 1, 1, 1], [0.5, 0.5, 0.5, 0.5]),
        (10, [9, 3, 4], [3.5, 3, 3.5]),
        (0, [1, 2], [0, 0]),
        (5, [], []),
        (1, [float("inf"), 0.25], [0.75, 0.25]),
    ],
)
def test_known_shares(capacity, wants, shares):
    assert max_min_fair(capacity, wants) == shares


@given(AMOUNTS, st.lists(AMOUNTS, max_size=7))
def test_shares_are_max_min_fair(capacity, wants):
    shares = max_min_fair(capacity, wants)
    assert all(0 <= share <= want for share, want in zip(shares, wants, strict=True))
    assert sum(shares, Fraction(0)) == min(capacity, sum(wants, Fraction(0)))
    short = [share for share, want in zip(shares, wants, strict=True) if share < want]
    assert len(set(short)) <= 1
    assert all(share <= short[0] for share in shares if short)
