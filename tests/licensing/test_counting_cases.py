"""Published answers and documented traps: every case file under tests/cases/licensing."""

from __future__ import annotations

from collections import Counter

import pytest

import licensing
from layout.licence_records import LicenceResult
from licensing.rulebook import SHIPPED
from tests.licensing.case_files import CASES, Case, counting_cases

OWN_RULES = CASES / "rules"
ALL = counting_cases()
COUNTED = [case for case in ALL if not case.expected.refused]
REFUSED = [case for case in ALL if case.expected.refused]
NUMBERS = (1, 2, 4, 5, 7, 8, 11, 12, 13, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25, 27, 28, 30, 32, 33, 34, 36, 38, 39, 40)
VECTORS = {f"V{number}" for number in (*NUMBERS, 41, 43, 44, 45, 46, 47, 48, 50, 51, 52, 53, 54, 56)}
"""The published vectors, by the numbers they were collected under; some have several parts (`V15-1`)."""


def name(case: Case) -> str:
    return f"{case.rule or 'several'}-{case.id}"


def counted(case: Case) -> LicenceResult:
    return licensing.count(
        case.layout(),
        fiscal_year=case.fiscal_year,
        entitlements=None,
        as_of=case.as_of,
        rules_dir=OWN_RULES,
        residents=case.residents,
    )


@pytest.mark.parametrize("case", COUNTED, ids=name)
def test_count_is_the_published_answer(case: Case):
    result, expected = counted(case), case.expected
    if expected.quantities is not None:
        assert {product.rule: product.quantity for product in result.products} == expected.quantities
        return
    [product] = [p for p in result.products if p.rule == case.rule and (case.line is None or p.options == case.line)]
    assert product.quantity == expected.quantity
    if expected.packs is not None:
        assert product.packs == expected.packs
    if expected.grades is not None:
        assert {grade.grade: grade.quantity for grade in product.grades} == expected.grades
    if expected.unverified is not None:
        assert bool(product.unverified) == expected.unverified
    if expected.unit_price is not None:
        assert product.quantity * expected.unit_price == expected.cost


@pytest.mark.parametrize("case", REFUSED, ids=name)
def test_what_a_rule_does_not_allow_is_refused(case: Case):
    with pytest.raises(licensing.LicensingError) as error:
        counted(case)
    [line] = error.value.problems
    for text in case.expected.refused:
        assert text in line


def test_every_vector_and_every_shipped_rule_has_a_case():
    told = {case.id.split("-")[0] for case in ALL}
    assert told >= VECTORS
    used = {case.rule for case in ALL} | {rule for case in ALL for rule in case.expected.quantities or ()}
    assert {path.stem for path in SHIPPED.glob("*.yaml")} <= used


def test_no_case_is_told_twice():
    assert [key for key, times in Counter(name(case) for case in ALL).items() if times > 1] == []
