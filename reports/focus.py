"""The bill as a FOCUS 1.3 "Cost and Usage" CSV, one row per item, fiscal year and municipality.

An item's amount of one year is the origin charge; its rows are the allocated charges. Columns are those of the FinOps
Open Cost and Usage Specification 1.3 (2025-12), own columns begin with `x_`. Tax is not in it: amounts are
tax-exclusive, as everywhere inside.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from estate.clock import JST
from layout.bill_records import BillItem, BillResult, ItemShare, ItemSplit, TenantBill

from .ledgers import vendor
from .markup import visible
from .money import price_evidence

FOCUS_COLUMNS = (
    "AllocatedMethodDetails", "AllocatedMethodId", "AllocatedResourceId", "AllocatedResourceName", "AllocatedTags",
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd",
    "ChargePeriodStart", "ContractedCost", "EffectiveCost", "HostProviderName", "InvoiceId", "InvoiceIssuerName",
    "ListCost", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ResourceId", "ResourceName",
    "ResourceType", "ServiceCategory", "ServiceName", "ServiceProviderName", "ServiceSubcategory", "SkuId",
    "SkuPriceId", "SubAccountId", "SubAccountName", "SubAccountType", "Tags",
)  # fmt: skip
OWN_COLUMNS = (
    "x_AmountSource", "x_ContractNotice", "x_EvidenceMark", "x_FiscalYear", "x_GrantEligibility", "x_ItemCategory",
    "x_MethodName", "x_MethodRatio", "x_MethodSource", "x_OriginChargeCost", "x_OriginChargeId", "x_PriceEvidence",
    "x_PriceListId", "x_RuleUnit",
)  # fmt: skip
RATIO_DIGITS = 12
"""Decimals of a ratio; the ratios of one origin charge add up to exactly 1 in these decimals."""
_QUANTITY_DIGITS = 6
_PREFIX = "kumiai/"
"""Of tags that this program defines."""
_SERVICES = {
    "oracle-database": ("Databases", "Relational Databases"),
    "microsoft-sql-server": ("Databases", "Relational Databases"),
    "fujitsu-symfoware": ("Databases", "Relational Databases"),
    "edb-postgres": ("Databases", "Relational Databases"),
    "nec-postgresql": ("Databases", "Relational Databases"),
    "sraoss-powergres": ("Databases", "Relational Databases"),
    "vmware-vpostgres": ("Databases", "Relational Databases"),
    "intersystems": ("Databases", "Other (Databases)"),
    "microsoft-windows-server": ("Compute", "Virtual Machines"),
    "redhat-rhel": ("Compute", "Virtual Machines"),
    "suse": ("Compute", "Virtual Machines"),
    "ubuntu-pro": ("Compute", "Virtual Machines"),
    "vmware": ("Compute", "Virtual Machines"),
    "redhat-openshift": ("Compute", "Containers"),
    "oracle-weblogic": ("Integration", "Other (Integration)"),
    "nec-webotx": ("Integration", "Other (Integration)"),
    "nec-orbix": ("Integration", "Other (Integration)"),
    "intra-mart": ("Business Applications", "Other (Business Applications)"),
    "x-servlet": ("Integration", "Other (Integration)"),
    "package": ("Business Applications", "Other (Business Applications)"),
}
"""Service category and subcategory by the longest beginning of a rule's id; what is not here is Other."""
_UNITS = {
    "コア": "Cores", "仮想コア": "Virtual Cores", "コア時間": "Core-Hours", "プロセッサ": "Processors",
    "ソケット": "Sockets", "ホスト": "Hosts", "サーバ": "Servers", "ユーザ": "Users",
    "サブスクリプション": "Subscriptions", "年額利用料": "Years",
}  # fmt: skip
"""Units of rules in the specification's English; others are licences."""
_OTHER = ("Other", "Other (Other)")
_MIGRATION = ("Migration", "Other (Migration)")


def render(bill: BillResult, estate_name: str) -> bytes:
    """The CSV: UTF-8, one head row, the same bytes for the same bill. `estate_name` is the group that sends the bill.

    An item's year without an amount is no charge and has no rows. Texts that a spreadsheet would take for a formula
    get an apostrophe in front, which spreadsheets hide.
    """
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, (*FOCUS_COLUMNS, *OWN_COLUMNS), lineterminator="\n", restval="")
    writer.writeheader()
    for row in _rows(bill, estate_name):
        writer.writerow(row)
    return buffer.getvalue().encode()


def shares_of(weights: Sequence[Fraction], total: int) -> list[int]:
    """Whole parts of `total` in the proportion of `weights` (largest remainder, ties to the earlier): they add up."""
    whole = sum(weights)
    exact = [weight * total / whole for weight in weights]
    parts = [int(value) for value in exact]
    order = sorted(range(len(parts)), key=lambda index: (parts[index] - exact[index], index))
    for index in order[: total - sum(parts)]:
        parts[index] += 1
    return parts


def _rows(bill: BillResult, estate_name: str) -> Iterator[dict[str, str]]:
    items = {item.id: item for item in bill.items}
    tenants = {tenant.tenant: tenant for tenant in bill.tenants}
    for split in bill.splits:
        item = items[split.item]
        for origin in item.years:
            if origin.amount_jpy:
                yield from _charge(bill, item, split, origin.year, origin.amount_jpy, tenants, estate_name)


def _charge(
    bill: BillResult, item: BillItem, split: ItemSplit, year: int, amount: int, tenants: dict[str, TenantBill],
    estate_name: str,
) -> Iterator[dict[str, str]]:  # fmt: skip
    """The allocated charges of one origin charge."""
    paid = [next((y.amount_jpy for y in share.years if y.year == year), 0) for share in split.shares]
    # Of the yen really charged, truncation and remainder included; a method's own share is in x_MethodRatio.
    parts = [_parts(share, Fraction(yen, amount)) for share, yen in zip(split.shares, paid, strict=True)]
    units = shares_of([part for row in parts for part in row], 10**RATIO_DIGITS)
    bought = item.packs if item.packs is not None else item.quantity if item.quantity is not None else 1
    scale = 10**_QUANTITY_DIGITS
    quantities = shares_of([Fraction(yen, amount) for yen in paid], round(Fraction(str(bought)) * scale))
    origin = _origin_columns(bill, item, split, year, amount, estate_name)
    common = {key: _safe(value) for key, value in origin.items()}
    taken = 0
    for share, yen, row, quantity in zip(split.shares, paid, parts, quantities, strict=True):
        tenant = tenants.get(share.tenant)
        name = _safe(tenant.name if tenant is not None else share.tenant)
        yield {
            **common,
            "AllocatedMethodDetails": _details(share, units[taken : taken + len(row)]),
            "AllocatedResourceId": _safe(share.tenant),
            "AllocatedResourceName": name,
            "AllocatedTags": _tags(tenant),
            # With a decimal point, so that programs that guess types by the text take them for decimals.
            **dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost", "ListCost"), f"{yen}.0"),
            "PricingQuantity": _decimal(quantity, _QUANTITY_DIGITS),
            "SubAccountId": _safe(share.tenant),
            "SubAccountName": name,
            "x_MethodRatio": format(Decimal(str(share.ratio)), "f"),
        }
        taken += len(row)


def _origin_columns(
    bill: BillResult, item: BillItem, split: ItemSplit, year: int, amount: int, estate_name: str
) -> dict[str, str]:
    """What every allocated charge has in common with its origin charge."""
    start, end = _moment(year), _moment(year + 1)
    category, subcategory = _service(item)
    return {
        "AllocatedMethodId": split.method,
        "BillingAccountId": estate_name,
        "BillingAccountName": estate_name,
        "BillingCurrency": "JPY",
        "BillingPeriodEnd": end,
        "BillingPeriodStart": start,
        "ChargeCategory": "Purchase",
        "ChargeDescription": f"{item.name}：{item.because}",
        "ChargeFrequency": "One-Time" if item.kind == "initial" else "Recurring",
        "ChargePeriodEnd": end,
        "ChargePeriodStart": start,
        # A licence is no deployment on anybody's infrastructure.
        "HostProviderName": "Not Applicable" if item.rule is not None else estate_name,
        "InvoiceIssuerName": estate_name,
        "PricingUnit": _pricing_unit(item),
        "ProviderName": estate_name,
        "PublisherName": (vendor(item.rule) if item.rule is not None else None) or estate_name,
        "ResourceId": item.id,
        "ResourceName": item.name,
        "ResourceType": {"licence": "License", "maintenance": "Maintenance", "other": "Service"}[item.category],
        "ServiceCategory": category,
        "ServiceName": item.name,
        "ServiceProviderName": estate_name,
        "ServiceSubcategory": subcategory,
        "SkuId": item.rule or item.id,
        "SkuPriceId": item.id,
        "SubAccountType": "Municipality",
        "Tags": json.dumps({f"{_PREFIX}phase": visible(item.phase)}, ensure_ascii=False),
        "x_AmountSource": item.source,
        "x_ContractNotice": bill.notice,
        "x_EvidenceMark": item.basis,
        "x_FiscalYear": str(year),
        "x_GrantEligibility": item.grant,
        "x_ItemCategory": item.category,
        "x_MethodName": split.method_name,
        "x_MethodSource": split.source,
        "x_OriginChargeCost": f"{amount}.0",
        "x_OriginChargeId": f"{item.id}:{year}",
        "x_PriceEvidence": price_evidence(bill, item),
        "x_PriceListId": item.price_list or "",
        "x_RuleUnit": item.unit or "",
    }


def _parts(share: ItemShare, ratio: Fraction) -> list[Fraction]:
    """A row's ratio over its elements, in their proportion; at least one element, to carry a remainder."""
    weights = [Fraction(str(element.ratio)) for element in share.elements] or [Fraction(1)]
    whole = sum(weights)
    if not whole:
        weights, whole = [Fraction(1), *weights[1:]], Fraction(1)
    return [weight * ratio / whole for weight in weights]


def _details(share: ItemShare, units: Sequence[int]) -> str:
    """`AllocatedMethodDetails`. Ratios are written out: a float would not add up."""
    bases: list[tuple[str, float, str]] = [(each.unit, each.quantity, each.by) for each in share.elements]
    elements = [
        f'{{"AllocatedRatio":{_decimal(part, RATIO_DIGITS)},"UsageUnit":{_quoted(unit)},'
        f'"UsageQuantity":{format(Decimal(str(quantity)), "f")},"x_Basis":{_quoted(by)}}}'
        for (unit, quantity, by), part in zip(bases or [("JPY", 0, "remainder")], units, strict=True)
    ]
    return f'{{"Elements":[{",".join(elements)}]}}'


@lru_cache(maxsize=1 << 14)
def _quoted(text: str) -> str:
    return json.dumps(visible(text), ensure_ascii=False)


def _tags(tenant: TenantBill | None) -> str:
    if tenant is None:
        return ""
    tags = {f"{_PREFIX}population": str(tenant.population), f"{_PREFIX}months": str(tenant.months)}
    return json.dumps(tags, ensure_ascii=False)


def _service(item: BillItem) -> tuple[str, str]:
    if item.rule is None:
        return _MIGRATION if "移行" in item.phase else _OTHER
    found = [start for start in _SERVICES if item.rule.startswith(start)]
    return _SERVICES[max(found, key=len)] if found else _OTHER


def _pricing_unit(item: BillItem) -> str:
    """The unit in the specification's words; as the rule calls it, it is in x_RuleUnit."""
    if item.packs is not None:
        return "Packs"
    unit = item.unit or "Items"
    return unit if unit.isascii() else _UNITS.get(unit, "Licenses")


def _moment(fiscal_year: int) -> str:
    """Midnight of 1 April in Japan, as the specification writes times: UTC."""
    return datetime(fiscal_year, 4, 1, tzinfo=JST).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _decimal(units: int, digits: int) -> str:
    """`units` / 10^digits without needless zeros."""
    text = f"{units // 10**digits}.{units % 10**digits:0{digits}d}"
    return text.rstrip("0").rstrip(".")


@lru_cache(maxsize=1 << 14)
def _safe(text: str) -> str:
    text = visible(text)
    return f"'{text}" if text[:1] in {"=", "+", "-", "@"} and not _is_number(text) else text


def _is_number(text: str) -> bool:
    return text[1:].isdigit()
