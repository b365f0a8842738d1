"""The FOCUS 1.3 file against the specification.

`focus-validator` is not used. Its releases that know 1.3 (2.2.1 was looked at) ask for Python 3.12 and numpy below 2,
where this project has Python 3.11 and numpy 2, and bring the rules of 1.2 only: those of 1.3 are fetched over the
network. Release 1.0.0, the one that pip finds for Python 3.11, ends at FOCUS 1.0 and wants numpy below 2 as well. So
the columns of 1.3 are data here (tests/cases/reports/focus-1.3-cost-and-usage.csv, from the specification's tables of
columns and allowed values), and the rules between columns and of the split are checked below. Its rules of 1.2 also
want ASCII in every text, which the specification does not, and which names of municipalities cannot give.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layout.bill_records import BillResult
from reports import focus
from tests.reports import folders

GOLDEN = Path(__file__).parents[1] / "golden" / "reports" / "focus.csv"
NUMBER = re.compile(r"-?\d+(\.\d+)?")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
# Of one origin charge these differ: who pays, and what is a sum.
ALLOCATED = {
    "AllocatedMethodDetails", "AllocatedResourceId", "AllocatedResourceName", "AllocatedTags", "SubAccountId",
    "SubAccountName", "PricingQuantity", "x_MethodRatio", *COSTS,
}  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """What the specification says of a column."""

    level: str
    nulls: bool
    type: str
    values: tuple[str, ...]


def specification() -> dict[str, Rule]:
    with (folders.CASES / "focus-1.3-cost-and-usage.csv").open(encoding="utf-8", newline="") as file:
        return {
            line["column"]: Rule(
                line["level"],
                line["nulls"] == "yes",
                line["type"],
                tuple(line["values"].split("|")) if line["values"] else (),
            )
            for line in csv.DictReader(file)
        }


def document() -> dict:
    return json.loads((folders.CASES / "bill.json").read_text(encoding="utf-8")) | {"layout_digest": "0" * 64}


def bill_of(data: dict) -> BillResult:
    return BillResult.model_validate_json(json.dumps(data))


def read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))


def exact(text: str) -> dict:
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


@pytest.fixture(scope="module")
def bill():
    return bill_of(document())


@pytest.fixture(scope="module")
def rows(bill):
    return read(focus.render(bill, "試験の組合"))


def faults(rows: list[dict[str, str]]) -> list[str]:
    """Every breach of the columns' levels, nullability, types and allowed values."""
    known, found = specification(), []
    present = set(rows[0])
    found += [f"{name} is missing" for name, rule in known.items() if rule.level == "Mandatory" and name not in present]
    for name in present:
        rule = known.get(name)
        if rule is None:
            if not re.fullmatch(r"x_[A-Z][A-Za-z0-9]{1,47}", name):
                found.append(f"{name} is no column of the specification and not named as an own one")
            continue
        for value in (row[name] for row in rows):
            if value == "":
                found += [] if rule.nulls else [f"{name} is empty"]
            elif rule.type == "Decimal" and not NUMBER.fullmatch(value):
                found.append(f"{name} is no number: {value}")
            elif rule.type == "Date/Time" and not TIME.fullmatch(value):
                found.append(f"{name} is no moment in UTC: {value}")
            elif rule.type == "JSON" and not isinstance(json.loads(value), dict):
                found.append(f"{name} is no object: {value}")
            elif rule.values and value not in {each.rpartition(">")[2] for each in rule.values}:
                found.append(f"{name} has a value that is not allowed: {value}")
    return sorted(set(found))


def test_the_specification_is_whole():
    known = specification()
    assert len(known) == 65
    assert sum(rule.level == "Mandatory" for rule in known.values()) == 23


def test_the_file_is_the_golden_one(bill):
    """KUMIAI_UPDATE_GOLDEN=1 writes it anew."""
    data = focus.render(bill, "試験の組合")
    if os.environ.get("KUMIAI_UPDATE_GOLDEN"):
        GOLDEN.write_bytes(data)
    assert data == GOLDEN.read_bytes()
    assert not data.startswith(b"\xef\xbb\xbf")


def test_columns_and_values_follow_the_specification(rows):
    assert faults(rows) == []


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("BilledCost", "1,000", "BilledCost is no number: 1,000"),
        ("BilledCost", "1e3", "BilledCost is no number: 1e3"),
        ("ListCost", "", "ListCost is empty"),
        ("ChargePeriodEnd", "2027-04-01T00:00+09", "ChargePeriodEnd is no moment in UTC: 2027-04-01T00:00+09"),
        ("ChargeCategory", "Licence", "ChargeCategory has a value that is not allowed: Licence"),
        ("Mark", "P", "Mark is no column of the specification and not named as an own one"),
    ],
)  # fmt: skip
def test_the_check_finds_faults(rows, column, value, fault):
    assert faults([{**row, column: value} for row in rows]) == [fault]


def test_the_check_finds_a_missing_column(rows):
    assert faults([{key: row[key] for key in row if key != "ServiceName"} for row in rows]) == [
        "ServiceName is missing"
    ]


def test_columns_are_sorted_own_ones_last(rows):
    names = list(rows[0])
    own = [name for name in names if name.startswith("x_")]
    assert names == sorted(name for name in names if name not in own) + sorted(own)


def test_rules_between_columns(rows):
    parents = {
        each.rpartition(">")[2]: each.rpartition(">")[0] for each in specification()["ServiceSubcategory"].values
    }
    services: dict[str, set] = defaultdict(set)
    prices: dict[str, set] = defaultdict(set)
    for row in rows:
        assert row["BillingCurrency"] == "JPY"
        assert len({row[name] for name in COSTS}) == 1
        assert row["ChargeCategory"] == "Purchase"
        assert row["ChargeFrequency"] != "Usage-Based"
        assert row["SkuPriceId"]
        assert row["PricingQuantity"]
        assert row["PricingUnit"].isascii()
        assert row["BilledCost"].endswith(".0")
        assert parents[row["ServiceSubcategory"]] == row["ServiceCategory"]
        assert row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["ChargePeriodEnd"] <= row["BillingPeriodEnd"]
        assert row["HostProviderName"] == ("Not Applicable" if row["x_ItemCategory"] != "other" else "試験の組合")
        assert row["SubAccountType"]
        assert row["AllocatedMethodId"]
        for tags in (row["Tags"], row["AllocatedTags"]):
            assert all(isinstance(value, str | bool) for value in json.loads(tags).values())
            assert all(key.startswith("kumiai/") for key in json.loads(tags))
        assert not json.loads(row["Tags"]).keys() & json.loads(row["AllocatedTags"]).keys()
        services[row["ServiceName"]].add((row["ServiceCategory"], row["ServiceSubcategory"]))
        prices[row["SkuPriceId"]].add(row["SkuId"])
    assert {len(found) for found in services.values()} == {1}
    assert {len(found) for found in prices.values()} == {1}
    assert rows[0]["BillingPeriodStart"] == "2027-03-31T15:00:00Z"
    assert rows[0]["BillingPeriodEnd"] == "2028-03-31T15:00:00Z"


def test_every_origin_charge_is_whole(bill, rows):
    charges: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        charges[row["x_OriginChargeId"]].append(row)
    wanted = {f"{item.id}:{y.year}": y.amount_jpy for item in bill.items for y in item.years if y.amount_jpy}
    assert {key: sum(Decimal(row["BilledCost"]) for row in found) for key, found in charges.items()} == wanted
    bought = {item.id: item.packs or item.quantity or 1 for item in bill.items}
    for found in charges.values():
        assert sum(ratios(found), Decimal(0)) == 1
        assert sum(Decimal(row["PricingQuantity"]) for row in found) == bought[found[0]["ResourceId"]]
        assert len({row["AllocatedResourceId"] for row in found}) == len(found)
        assert {row["x_OriginChargeCost"] for row in found} == {f"{wanted[found[0]['x_OriginChargeId']]}.0"}
        for name in found[0].keys() - ALLOCATED:
            assert len({row[name] for row in found}) == 1, name
        for row in found:
            share = Decimal(row["BilledCost"]) / Decimal(row["x_OriginChargeCost"])
            assert abs(sum(ratios([row])) - share) < Decimal("1e-11")


def ratios(rows: list[dict[str, str]]) -> list[Decimal]:
    return [element["AllocatedRatio"] for row in rows for element in exact(row["AllocatedMethodDetails"])["Elements"]]


def test_a_mixed_method_has_an_element_for_each_basis(rows):
    mixed = next(row for row in rows if row["AllocatedMethodId"] == "ordinance-equal-population")
    elements = exact(mixed["AllocatedMethodDetails"])["Elements"]
    assert [(element["UsageUnit"], element["UsageQuantity"], element["x_Basis"]) for element in elements] == [
        ("団体", 1, "equal"), ("人", 116641, "population"),
    ]  # fmt: skip
    assert {key for element in elements for key in element} == {
        "AllocatedRatio",
        "UsageUnit",
        "UsageQuantity",
        "x_Basis",
    }


def test_every_row_says_what_it_rests_on(bill, rows):
    marks = {item.id: item.basis for item in bill.items}
    assert all(row["x_EvidenceMark"] == marks[row["ResourceId"]] for row in rows)
    assert {row["x_ContractNotice"] for row in rows} == {bill.notice}
    assert all(row["x_PriceEvidence"] == ("example" if row["x_PriceListId"] else "") for row in rows)
    assert sum(Decimal(row["BilledCost"]) for row in rows) == 1_074_634_801


def test_what_has_no_price_has_no_row(rows):
    assert not [row for row in rows if row["SkuId"] == "sraoss-powergres.os"]


@pytest.mark.parametrize("attack", ["=1+1", "+cmd|'/c'!A0", "-2+3", "@SUM(A1)", "a\n=1+1", 'x",=1', "\u202e"])
def test_no_text_becomes_a_formula_or_a_row(attack):
    data = document()
    for tenant in data["tenants"]:
        tenant["name"] = attack
    for item in data["items"]:
        item.update(name=attack, phase=attack, because=attack)
    plain = read(focus.render(bill_of(document()), "試験の組合"))
    found = read(focus.render(bill_of(data), attack))
    assert len(found) == len(plain)
    for row in found:
        assert None not in row
        assert faults([row]) == []
        for name, value in row.items():
            assert value[:1] not in {"=", "@", "+", "-"} or NUMBER.fullmatch(value), name
            assert "\u202e" not in value


def test_who_takes_a_remainder_of_a_zero_share_has_an_element():
    data = document()
    split = data["splits"][5]
    for share, ratio in zip(split["shares"], (0.0, 1.0), strict=True):
        share["ratio"] = ratio
        share["elements"] = [] if not ratio else [{"by": "fixed", "ratio": ratio, "unit": "割合", "quantity": 1}]
    found = [row for row in read(focus.render(bill_of(data), "試験の組合")) if row["ResourceId"] == "migration"]
    assert sum(ratios(found), Decimal(0)) == 1
    assert exact(found[0]["AllocatedMethodDetails"])["Elements"][0]["x_Basis"] == "remainder"


@given(
    st.lists(st.integers(0, 10**12), min_size=1, max_size=60).filter(any), st.sampled_from([1, 7, 1000, 10**12, 10**15])
)
def test_parts_add_up_and_are_nearly_exact(weights, total):
    exact_weights = [Fraction(weight) for weight in weights]
    parts = focus.shares_of(exact_weights, total)
    assert sum(parts) == total
    for weight, part in zip(exact_weights, parts, strict=True):
        assert abs(part - weight * total / sum(exact_weights)) < 1
