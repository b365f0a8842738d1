"""A bill that does not add up is refused in one line; the report never shows it."""

from __future__ import annotations

import json

import pytest

from layout import FolderError, folder, results
from reports import saved
from tests.reports import folders


def document() -> dict:
    return json.loads((folders.CASES / "bill.json").read_text(encoding="utf-8"))


def refusal(tmp_path, data: dict) -> str:
    plan = folder.write(tmp_path / "out", folders.contents())
    results.write_result(plan, "bill.json", json.dumps(data).encode())
    with pytest.raises(FolderError) as refused:
        saved.bill(plan)
    text = str(refused.value)
    assert text.startswith("bill.json")
    assert "\n" not in text
    return text


def test_the_case_is_accepted(tmp_path):
    plan = folder.write(tmp_path / "out", folders.contents())
    results.write_result(plan, "bill.json", json.dumps(document()).encode())
    bill = saved.bill(plan)
    assert bill is not None
    assert bill.layout_digest == plan.layout_digest


def test_no_bill_is_none(tmp_path):
    assert saved.bill(folder.write(tmp_path / "out", folders.contents())) is None


def test_shares_that_miss_a_yen(tmp_path):
    data = document()
    data["splits"][0]["shares"][0]["years"][0]["amount_jpy"] += 1
    assert "2027年度の分担の和 4,344,001 円が、費目の金額 4,344,000 円と合いません" in refusal(tmp_path, data)


def test_a_municipality_that_owes_another_sum(tmp_path):
    data = document()
    data["tenants"][1]["proposed_jpy"] -= 1
    assert "団体 t01 の負担額 438,755,199 円" in refusal(tmp_path, data)


def test_an_item_without_a_split(tmp_path):
    data = document()
    del data["splits"][3]
    assert "費目と分担の並び" in refusal(tmp_path, data)


def test_an_item_twice(tmp_path):
    data = document()
    data["items"].append(data["items"][0])
    assert "同じ記号の費目" in refusal(tmp_path, data)


def test_a_stranger(tmp_path):
    data = document()
    data["splits"][0]["shares"][1]["tenant"] = "nobody"
    assert "知らない団体です（nobody）" in refusal(tmp_path, data)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("years", 0, "契約の年数"), ("years", 51, "契約の年数"), ("years", 4, "年度が契約期間と合いません"),
     ("tax_rate", -0.1, "消費税率"), ("tax_rate", 10.0, "消費税率")],
)  # fmt: skip
def test_terms_that_cannot_be(tmp_path, key, value, said):
    assert said in refusal(tmp_path, document() | {key: value})


def test_amounts_that_a_spreadsheet_cannot_hold(tmp_path):
    data = document()
    data["items"][0]["years"][0]["amount_jpy"] = 10**16
    assert "金額が大きすぎます" in refusal(tmp_path, data)


def test_a_negative_share(tmp_path):
    data = document()
    for share, yen in zip(data["splits"][5]["shares"], (6_000_002, -1), strict=True):
        share["years"][0]["amount_jpy"] = yen
    assert "2027年度の負担額が負です（t01、-1 円）" in refusal(tmp_path, data)


def test_a_year_outside_the_contract(tmp_path):
    data = document()
    data["splits"][0]["shares"][0]["years"].append({"year": 2040, "amount_jpy": 0})
    assert "契約期間にない年度です（2040）" in refusal(tmp_path, data)


def test_another_layout_is_refused(tmp_path):
    plan = folder.write(tmp_path / "out", folders.contents())
    with pytest.raises(FolderError, match="別の"):
        results.write_result(plan, "bill.json", json.dumps(document() | {"layout_digest": "1" * 64}).encode())


@pytest.mark.parametrize("yen", [10**400, -(10**400)])
def test_a_number_beyond_every_page_and_sheet(tmp_path, yen):
    data = document()
    data["splits"][0]["shares"][0]["stand_alone_jpy"] = yen
    assert "大きすぎる数があります" in refusal(tmp_path, data)
