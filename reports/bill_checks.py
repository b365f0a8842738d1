"""A bill that does not add up is not reported."""

from __future__ import annotations

from collections import defaultdict

from layout.bill_records import BillItem, BillResult, ItemSplit
from layout.errors import FolderError

from .money import amounts, years_of

MOST_YEARS = 50
MOST_YEN = 10**15
"""Above it a spreadsheet's numbers are no longer exact to the yen."""


def require(bill: BillResult, name: str) -> BillResult:
    """The bill, if its items, shares and municipalities agree to the yen. Raises FolderError: one Japanese line."""

    def refuse(what: str) -> FolderError:
        return FolderError(f"{name}: {what}。kumiai license split で作り直してください")

    if not 1 <= bill.years <= MOST_YEARS:
        raise refuse(f"契約の年数が正しくありません（{bill.years}、1 から {MOST_YEARS} まで）")
    if not 0 <= bill.tax_rate <= 1:
        raise refuse(f"消費税率が正しくありません（{bill.tax_rate}、0 から 1 まで）")
    items = {item.id: item for item in bill.items}
    if len(items) != len(bill.items):
        raise refuse("同じ記号の費目が二つあります")
    if [split.item for split in bill.splits] != list(items):
        raise refuse("費目と分担の並びが合いません")
    known = {tenant.tenant for tenant in bill.tenants}
    owed: dict[str, int] = defaultdict(int)
    for split in bill.splits:
        problem = _problem(bill, items[split.item], split, known)
        if problem is not None:
            raise refuse(f"費目 {split.item[:80]}：{problem}")
        for share in split.shares:
            owed[share.tenant] += sum(amounts(share.years).values())
    for tenant in bill.tenants:
        if owed[tenant.tenant] != tenant.proposed_jpy or sum(amounts(tenant.years).values()) != tenant.proposed_jpy:
            raise refuse(
                f"団体 {tenant.tenant[:80]} の負担額 {tenant.proposed_jpy:,} 円が、"
                f"費目ごとの和 {owed[tenant.tenant]:,} 円または年度ごとの和と合いません"
            )
    return bill


def _problem(bill: BillResult, item: BillItem, split: ItemSplit, tenants: set[str]) -> str | None:
    years = set(years_of(bill))
    wanted = amounts(item.years)
    if set(wanted) != years or len(wanted) != len(item.years):
        return "年度が契約期間と合いません"
    if any(abs(yen) > MOST_YEN for yen in wanted.values()):
        return f"金額が大きすぎます（{MOST_YEN:,} 円まで）"
    paid = dict.fromkeys(years, 0)
    for share in split.shares:
        if share.tenant not in tenants:
            return f"知らない団体です（{share.tenant[:80]}）"
        for year, yen in amounts(share.years).items():
            if yen < 0:
                return f"{year}年度の負担額が負です（{share.tenant[:80]}、{yen:,} 円）"
            if year not in paid:
                return f"契約期間にない年度です（{year}）"
            paid[year] += yen
    wrong = next((year for year in sorted(years) if paid[year] != wanted[year]), None)
    if wrong is None:
        return None
    return f"{wrong}年度の分担の和 {paid[wrong]:,} 円が、費目の金額 {wanted[wrong]:,} 円と合いません"
