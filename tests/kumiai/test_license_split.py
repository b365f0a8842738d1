"""`kumiai license split`: the bill of a planned folder, and mistakes that leave the folder as it was."""

import json

import pytest

from layout import folder, results
from tests.kumiai.conftest import all_files

PRICES = """format: 1
id: quote
name: ○○社見積
date: 2027-02-01
currency: USD
tax: exclusive
evidence: quote
source: ○○社見積書 第12号
prices:
  - {rule: oracle-database-enterprise.processor, kind: perpetual, amount: 47500, maintenance: {rate: 0.22}}
  - {rule: sraoss-powergres.os, kind: subscription, amount: 1300}
"""


@pytest.fixture
def prices(tmp_path):
    path = tmp_path / "prices.yaml"
    path.write_text(PRICES, encoding="utf-8")
    return path


def test_the_bill_is_shown_and_kept(ask, lab_plan):
    answer = ask("license", "split", lab_plan, "--years", 7)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("判定：7 年間の総額 ")
    document = ask("license", "split", lab_plan, "--years", 7, "--json").document
    plan = folder.read_planned(lab_plan)
    assert json.loads(results.read_result(plan, "bill.json")) == document
    assert (document["format_version"], document["years"], document["tax_rate"]) == ("1.0", 7, 0.1)
    assert document["layout_digest"] == plan.layout_digest
    assert answer.out.splitlines()[0] == document["verdict"]
    total = sum(year["amount_jpy"] for item in document["items"] for year in item["years"])
    assert total == sum(tenant["proposed_jpy"] for tenant in document["tenants"])


def test_a_quotation_in_dollars(ask, lab_plan, prices):
    answer = ask("license", "split", lab_plan, "--prices", prices, "--rate", "USD=150.25", "--tax-rate", "8%", "--json")
    (entry,) = answer.document["price_lists"]
    assert (entry["exchange_rate"], entry["exchange_source"]) == (150.25, "コマンドの --rate の指定")
    assert answer.document["tax_rate"] == 0.08
    assert "価格は例" not in answer.document["verdict"]


REFUSED = {
    "no rate": (["--prices", "{prices}"], "通貨 USD の為替レートがありません"),
    "rate": (["--prices", "{prices}", "--rate", "USD"], "USD=150.25"),
    "other rate": (["--prices", "{prices}", "--rate", "USD=150", "--rate", "EUR=1"], "通貨 EUR の価格表がありません"),
    "no list": (["--prices", "nothing.yaml"], "ファイルがありません"),
    "years": (["--years", "31"], "契約は 1 年から 30 年まで"),
    "no years": (["--years", "0"], "契約は 1 年から 30 年まで"),
    "tax": (["--tax-rate", "10"], "--tax-rate: '10' は使えません"),
    "method": (["--licence-split", "shaply"], "shapley のことですか"),
    "methods": (["--splits", "nowhere"], "負担方法のフォルダーがありません"),
    "rules": (["--rules", "nowhere"], "規則のフォルダーがありません"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_is_one_line_and_nothing_is_written(ask, lab_plan, prices, name):
    options, words = REFUSED[name]
    before = all_files(lab_plan)
    answer = ask("license", "split", lab_plan, *(option.format(prices=prices) for option in options))
    assert (answer.code, answer.out) == (2, "")
    assert words in answer.err
    assert len(answer.err.splitlines()) == 1
    assert all_files(lab_plan) == before


def test_a_bare_layout_has_no_bill(ask, lab_plan):
    answer = ask("license", "split", lab_plan / "layout.json")
    assert (answer.code, answer.out) == (2, "")
    assert "計画フォルダーがありません" in answer.err
