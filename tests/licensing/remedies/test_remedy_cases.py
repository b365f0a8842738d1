"""Ways out of violations, worked out by hand: quantities, packs, yen, and which is the cheapest."""

from __future__ import annotations

from datetime import date, datetime

import pytest

import licensing
from estate import read_document
from layout.records import Layout
from licensing import pricing
from licensing.remedies import with_remedies
from tests.licensing.case_files import Case as CountingCase
from tests.licensing.case_files import CaseHost, CaseMove, CaseRecord, CaseVm, Expected
from tests.licensing.remedies.plans import CASES, PRICES, held, plan

YEARS = 5


class CaseHeld(CaseRecord):
    rule: str
    quantity: float
    until: date | None = None


class Remedy(CaseRecord):
    quantity: float
    packs: int | None = None
    cost: int | None
    hosts: tuple[str, ...] = ()


class Case(CaseRecord):
    id: str
    hosts: tuple[CaseHost, ...]
    vms: tuple[CaseVm, ...]
    copies: int = 1
    """So many VMs like the first."""
    moves: tuple[CaseMove, ...] = ()
    online: tuple[tuple[str, datetime, datetime, float], ...] = ()
    """VM, from, until, cores; the first VM's load is that of its copies too."""
    held: tuple[CaseHeld, ...] = ()
    rule: str
    expected: dict[str, Remedy]
    cheapest: str | None
    because: str = ""
    """Stands somewhere in the reasons."""

    def layout(self) -> Layout:
        copies = tuple(self.vms[0].model_copy(update={"id": f"v{i}"}) for i in range(1, self.copies))
        counted = CountingCase(
            id=self.id, what="", source="", rule=self.rule, hosts=self.hosts, vms=(*self.vms, *copies),
            moves=self.moves, expected=Expected(quantity=0),
        )  # fmt: skip
        return counted.layout()


class CaseFile(CaseRecord):
    format: int
    cases: tuple[Case, ...]


ALL = read_document(CASES / "violations.yaml", CaseFile).cases
BOOK = pricing.load([PRICES])


def remedied(case: Case):
    entitlements = [held(h.rule, h.quantity, name=f"e{i}", until=h.until) for i, h in enumerate(case.held)]
    online = [*case.online, *((f"v{i}", *case.online[0][1:]) for i in range(1, case.copies))]
    folder = plan(case.layout(), entitlements, online)
    counted = licensing.count(folder.layout, fiscal_year=2027, entitlements=entitlements)
    return with_remedies(folder, counted, BOOK, years=YEARS)


@pytest.mark.parametrize("case", ALL, ids=lambda case: case.id)
def test_remedies_of_a_case(case):
    result = remedied(case)
    assert result.violations
    assert len(result.remedies) == len(result.violations)
    for remedies in result.remedies:
        assert [option.kind for option in remedies.options] == ["buy-peak", "hourly", "physical", "pin", "retime"]
        found = {
            option.kind: Remedy(quantity=option.quantity, packs=option.packs, cost=option.cost_jpy, hosts=option.hosts)
            for option in remedies.options
            if option.feasible
        }
        assert found == case.expected
        assert all(
            (option.quantity, option.cost_jpy) == (None, None) for option in remedies.options if not option.feasible
        )
        assert remedies.cheapest == case.cheapest
        assert case.because in "".join(option.because for option in remedies.options)


def test_one_purchase_for_all_violations_of_a_rule_is_said_to_be_one():
    case = next(case for case in ALL if case.id.startswith("a long busy season"))
    result = remedied(case)
    assert len(result.violations) == 2
    assert all("違反 2 件をまとめて" in remedies.because for remedies in result.remedies)


def test_without_prices_only_what_is_free_has_a_cost():
    case = next(case for case in ALL if case.id == "pinning is enough")
    entitlements = [held(case.rule, 16)]
    folder = plan(case.layout(), entitlements)
    counted = licensing.count(folder.layout, fiscal_year=2027, entitlements=entitlements)
    (remedies,) = with_remedies(folder, counted, None, years=YEARS).remedies
    assert {option.kind: option.cost_jpy for option in remedies.options if option.feasible} == {
        "buy-peak": None,
        "pin": 0,
    }
    assert remedies.cheapest == "pin"
    assert "「最大の不足を買う」は価格が無いため比べていません" in remedies.because


def test_no_violations_no_remedies():
    case = next(case for case in ALL if case.id == "pinning is enough")
    entitlements = [held(case.rule, 48)]
    folder = plan(case.layout(), entitlements)
    counted = licensing.count(folder.layout, fiscal_year=2027, entitlements=entitlements)
    assert with_remedies(folder, counted, BOOK, years=YEARS).remedies == ()


def test_unverified_values_give_no_yen():
    case = next(case for case in ALL if case.id == "pinning is enough")
    layout = case.layout()
    product = layout.vms[0].products[0].model_copy(update={"rule": "hitachi.processor"})
    layout = layout.model_copy(update={"vms": (layout.vms[0].model_copy(update={"products": (product,)}),)})
    folder = plan(layout, [])
    counted = licensing.count(layout, fiscal_year=2027, entitlements=[])
    (remedies,) = with_remedies(folder, counted, BOOK, years=YEARS).remedies
    assert (remedies.options[0].quantity, remedies.options[0].cost_jpy, remedies.cheapest) == (4, None, None)
    assert "未確認" in remedies.options[0].because


def test_a_day_of_the_year_says_that_it_is_one_day_only():
    case = next(case for case in ALL if case.id.startswith("two days"))
    entitlements = [held(case.rule, 4)]
    folder = plan(case.layout(), entitlements, case.online)
    counted = licensing.count(folder.layout, fiscal_year=2027, entitlements=entitlements, as_of=date(2027, 5, 2))
    (remedies,) = with_remedies(folder, counted, BOOK, years=YEARS).remedies
    # 8 cores x 24 h, and no more than the day.
    assert remedies.options[1].quantity == 192
    assert "指定した日だけの計数" in remedies.because
