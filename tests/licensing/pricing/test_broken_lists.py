"""Broken price lists as data: each gives exactly the lines of the golden file.

`KUMIAI_UPDATE_GOLDEN=1 pytest tests/licensing/pricing/test_broken_lists.py` writes them anew.
"""

import os
import time
from pathlib import Path

import pytest

from licensing import LicensingError, pricing
from tests.licensing.pricing.lists import written

TESTS = Path(__file__).parents[2]
BROKEN = sorted((TESTS / "cases" / "licensing-prices" / "broken").glob("*.yaml"))
GOLDEN = TESTS / "golden" / "licensing" / "broken-prices.txt"
POWERGRES = "rule: sraoss-powergres.os, kind: subscription, amount: 300000"


def lines(path):
    with pytest.raises(LicensingError) as refused:
        pricing.load([path])
    assert refused.value.exit_code == 2
    return [problem.replace(f"{path.parent}/", "") for problem in refused.value.problems]


def test_every_mistake_is_one_line_with_its_place():
    text = "".join(f"{line}\n" for path in BROKEN for line in lines(path))
    if os.environ.get("KUMIAI_UPDATE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_every_line_names_the_file_and_its_place(path):
    assert all(line.startswith(path.name) for line in lines(path))


def test_all_mistakes_of_all_files_at_once(tmp_path):
    one = written(tmp_path, POWERGRES.replace("300000", "-1"), name="one.yaml")
    two = written(tmp_path, POWERGRES.replace("os,", "oss,"), name="two.yaml")
    with pytest.raises(LicensingError) as refused:
        pricing.load([one, two, tmp_path / "three.yaml", tmp_path / "four.pdf", tmp_path])
    found = [problem.replace(f"{tmp_path}/", "") for problem in refused.value.problems]
    assert [line.partition(":")[0] for line in found][:4] == ["one.yaml", "two.yaml", "three.yaml", "four.pdf"]
    assert len(found) == 5


def test_two_lists_with_one_id(tmp_path):
    one = written(tmp_path, POWERGRES, name="one.yaml")
    two = written(tmp_path, POWERGRES, name="two.yaml")
    with pytest.raises(LicensingError, match=r"two\.yaml: 価格表 list が .*one\.yaml にもあります"):
        pricing.load([one, two])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("USD", "USD=150.25"),
        ("usd=150", "USD=150.25"),
        ("USDX=150", "USD=150.25"),
        ("JPY=1", "USD=150.25"),
        ("USD=abc", "0 より大きい数"),
        ("USD=0", "0 より大きい数"),
        ("USD=-150", "0 より大きい数"),
        ("USD=nan", "0 より大きい数"),
        ("USD=inf", "0 より大きい数"),
        ("USD=1e3", "0 より大きい数"),
        ("USD=99999999", "0 より大きい数"),
    ],
)
def test_exchange_rates_that_are_none(text, words):
    with pytest.raises(LicensingError, match=words):
        pricing.exchange_rates([text])


def test_a_currency_twice_or_without_a_list(tmp_path):
    with pytest.raises(LicensingError, match="二度"):
        pricing.exchange_rates(["USD=150", "USD=151"])
    with pytest.raises(LicensingError, match="--rate EUR: 通貨 EUR の価格表がありません"):
        pricing.load([written(tmp_path, POWERGRES)], pricing.exchange_rates(["EUR=160"]))


@pytest.mark.parametrize("text", ["1.1", "-0.1", "abc", "", "110%"])
def test_tax_rates_that_are_none(text):
    with pytest.raises(LicensingError, match=r"--tax-rate: .* は使えません"):
        pricing.ratio(text, "--tax-rate")


def test_prices_of_different_options_that_may_both_hold(tmp_path):
    """One price for every package and one for a package are no contradiction; two for one package are."""
    fee = "rule: package.population-class, kind: subscription, amount: 1, grade: 5 千人未満"
    path = written(tmp_path, f"{fee}, options: {{package: A}}", f"{fee}, options: {{package: B}}", fee)
    assert len(pricing.load([path]).lists[0].file.prices) == 3
    path = written(tmp_path, f"{fee}, options: {{package: A}}", fee, f"{fee}, options: {{package: A}}")
    (line,) = lines(path)
    assert line.startswith("list.yaml:12:5: prices[2]: 同じ商品（package.population-class package=A 等級 5 千人未満）")


def test_a_long_list_is_checked_in_time(tmp_path):
    """2,000 prices of one rule, each with its own days: no pair of them is compared twice."""
    rows = [
        f"rule: ibm.vpc, kind: perpetual, amount: {n}, valid_from: {2000 + n // 12}-{n % 12 + 1:02}-01,"
        f" valid_to: {2000 + (n + 1) // 12}-{(n + 1) % 12 + 1:02}-01"
        for n in range(2000)
    ]
    began = time.monotonic()
    assert len(pricing.load([written(tmp_path, *rows)]).lists[0].file.prices) == 2000
    assert time.monotonic() - began < 20
