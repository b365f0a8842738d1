"""費目 x 年度 x 団体, and what every municipality pays today (A) against the proposal (B)."""

from __future__ import annotations

from layout.bill_records import BillResult, TenantBill

from ..evidence import mark, marks
from ..money import CATEGORIES, KINDS, change, change_sentence, change_word, price_notes, years_of
from .paper import Cell, Column, Formula, Paper

BY_TENANT = "費目×年度×団体"
COMPARISON = "A対B"
_SUM = "計"
_CODE, _FIRST_YEAR = 4, 6


def by_tenant(paper: Paper, bill: BillResult) -> None:
    """Every item's shares by year, a total per item, and below the totals of every municipality."""
    years = years_of(bill)
    sheet = paper.sheet(
        BY_TENANT,
        "費目 × 年度 × 団体の負担額",
        (
            "税抜き。表示は千円、セルの値は円です。費目ごとの計は各団体の和、下の表は各団体の全費目の和です（数式）。",
            *price_notes(bill),
        ),
    )
    columns = (
        Column("区分", width=12), Column("費目", width=34), Column("初期・\n経常", width=8),
        Column("分担方法", width=13), Column("団体の記号", width=13), Column("団体", width=16),
        *(Column(f"{year}年度\n（千円）", "thousand", width=12) for year in years),
        Column("契約期間計\n（千円）", "thousand", width=14), Column("負担割合", "ratio", width=9),
        Column("根拠", width=10),
    )  # fmt: skip
    formats = [column.format for column in columns]
    sums = ["sum_text"] * _FIRST_YEAR + ["sum_thousand"] * (len(years) + 1) + ["sum_text"] * 2
    names = {tenant.tenant: tenant.name for tenant in bill.tenants}
    items = {item.id: item for item in bill.items}
    sheet.heads(columns, freeze_columns=_FIRST_YEAR)
    first = sheet.row
    total = _FIRST_YEAR + len(years)
    owed: dict[str, dict[int, int]] = {tenant.tenant: dict.fromkeys(years, 0) for tenant in bill.tenants}
    for split in bill.splits:
        item = items[split.item]
        start = sheet.row
        heads = (CATEGORIES[item.category], item.name, KINDS[item.kind], split.method_name)
        for share in split.shares:
            amounts = {year.year: year.amount_jpy for year in share.years}
            mine = owed.setdefault(share.tenant, dict.fromkeys(years, 0))
            for year in years:
                mine[year] += amounts.get(year, 0)
            across = Formula(f"SUM({sheet.at(_FIRST_YEAR)}:{sheet.at(total - 1)})", sum(amounts.values()))
            cells: list[Cell] = [
                *heads, share.tenant, names.get(share.tenant, share.tenant),
                *(amounts.get(year, 0) for year in years), across, share.ratio, mark(item.basis),
            ]  # fmt: skip
            sheet.cells(cells, formats)
        wanted = {year.year: year.amount_jpy for year in item.years}
        values = [*(wanted.get(year, 0) for year in years), item.total_jpy]
        subtotal = [
            Formula(f"SUM({sheet.at(index, start)}:{sheet.at(index, sheet.row - 1)})", value)
            for index, value in enumerate(values, _FIRST_YEAR)
        ]
        sheet.cells((*heads, _SUM, _SUM, *subtotal, None, mark(item.basis)), sums)
    last = sheet.row - 1
    evidence = marks(item.basis for item in bill.items)
    for tenant, amounts in owed.items():
        values = [*(amounts[year] for year in years), sum(amounts.values())]
        # By id: a name could be read as a pattern or a comparison.
        ids = f"{sheet.at(_CODE, first, fixed=True)}:{sheet.at(_CODE, last, fixed=True)}"
        found: list[Cell] = [
            value
            if last < first
            else Formula(f"SUMIF({ids},{sheet.at(_CODE)},{sheet.at(index, first)}:{sheet.at(index, last)})", value)
            for index, value in enumerate(values, _FIRST_YEAR)
        ]
        cells = ["全費目", "団体の計", None, None, tenant, names.get(tenant, tenant), *found, None, evidence]
        sheet.cells(cells, sums)
    sheet.close_table(columns, last=last)


def comparison(paper: Paper, bill: BillResult) -> None:
    """A (today) against B (proposed) per municipality."""
    sheet = paper.sheet(
        COMPARISON,
        "現行（A）と提案（B）の比較",
        (
            change_sentence(bill),
            f"契約期間 {bill.years} 年の合計、税抜き。表示は千円、セルの値は円です。",
            "削減額 = A − B、削減率 = (A − B) ÷ A。負の値は増加です。",
            f"費目の根拠：{marks(item.basis for item in bill.items)}",
            *price_notes(bill),
        ),
    )
    columns = (
        Column("団体の記号", width=13), Column("団体", width=16), Column("人口（人）", "number", width=11),
        Column("月数", "number", width=7), Column("現行 A\n（千円）", "thousand", width=14),
        Column("提案 B\n（千円）", "thousand", width=14), Column("削減額 A−B\n（千円）", "thousand", width=14),
        Column("削減率", "rate", width=10), Column("増減", width=11),
        Column("うちライセンス\n（千円）", "thousand", width=16),
        Column("ライセンスの\n単独費用（千円）", "thousand", width=17), Column("単独費用との比較", width=26),
    )  # fmt: skip
    formats = [column.format for column in columns]
    sheet.heads(columns, freeze_columns=2)
    first = sheet.row
    for tenant in bill.tenants:
        cells: list[Cell] = [
            tenant.tenant, tenant.name, tenant.population, tenant.months, tenant.current_jpy, tenant.proposed_jpy,
            _saving(sheet.at(4), sheet.at(5), tenant.current_jpy, tenant.proposed_jpy),
            _rate(sheet.at(4), sheet.at(6), tenant.current_jpy, tenant.proposed_jpy), change(tenant),
            tenant.licences_jpy, tenant.stand_alone_jpy, _alone(tenant),
        ]  # fmt: skip
        sheet.cells(cells, formats)
    last = sheet.row - 1
    known = [tenant for tenant in bill.tenants if tenant.current_jpy is not None]
    sums = ["sum_text", "sum_text", "sum_text", "sum_text", *(["sum_thousand"] * 3), "sum_rate", *(["sum_text"] * 4)]

    def span(column: int) -> str:
        return f"{sheet.at(column, first)}:{sheet.at(column, last)}"

    if known and bill.tenants:
        current = sum(tenant.current_jpy or 0 for tenant in known)
        proposed = sum(tenant.proposed_jpy for tenant in known)
        name = "計" if len(known) == len(bill.tenants) else f"現行が分かる {len(known)} 団体の計"
        # Only rows with A: a proposal without a current cost says nothing about savings.
        cells = [
            _SUM, name, None, None, Formula(f"SUM({span(4)})", current),
            Formula(f'SUMIF({span(4)},">=0",{span(5)})', proposed),
            _saving(sheet.at(4), sheet.at(5), current, proposed),
            _rate(sheet.at(4), sheet.at(6), current, proposed), change_word(current - proposed), None, None, None,
        ]  # fmt: skip
        sheet.cells(cells, sums)
    if bill.tenants and len(known) < len(bill.tenants):
        total = sum(tenant.proposed_jpy for tenant in bill.tenants)
        cells = [_SUM, "全団体の提案の計", None, None, None, Formula(f"SUM({span(5)})", total), *([None] * 6)]
        sheet.cells(cells, sums)
    sheet.close_table(columns, last=last)


def _saving(a: str, b: str, current: int | None, proposed: int) -> Cell:
    return None if current is None else Formula(f"{a}-{b}", current - proposed)


def _rate(a: str, saving: str, current: int | None, proposed: int) -> Cell:
    return Formula(f"{saving}/{a}", (current - proposed) / current) if current else None


def _alone(tenant: TenantBill) -> str:
    if tenant.stand_alone_jpy is None:
        return "単独の費用は不明"
    return "単独より高い負担です" if tenant.over_stand_alone else "単独以下の負担です"
