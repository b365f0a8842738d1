"""Published answers and documented traps: every case file under tests/cases/licensing."""

from __future__ import annotations

import pytest

import licensing
from tests.licensing.case_files import CASES, Case, counting_cases

OWN_RULES = CASES / "rules"


@pytest.mark.parametrize("case", counting_cases(), ids=lambda case: f"{case.rule}-{case.id}")
def test_count_is_the_published_answer(case: Case):
    result = licensing.count(case.layout(), fiscal_year=2027, entitlements=None, as_of=case.as_of, rules_dir=OWN_RULES)
    [product] = [product for product in result.products if product.rule == case.rule]
    assert product.quantity == case.expected.quantity
    if case.expected.packs is not None:
        assert product.packs == case.expected.packs
