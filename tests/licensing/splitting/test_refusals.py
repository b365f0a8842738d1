"""Method files and uses of methods that are refused: one line per mistake, with file, line and column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from licensing import LicensingError, splitting
from licensing.splitting import Grounds, Party
from tests.licensing.splitting.bills import item, licence

CASES = Path(__file__).parents[2] / "cases" / "splitting"
REFUSED = sorted((CASES / "refused").glob("*.yaml"))
EXPECTED = re.compile(r"^# expect ([0-9]+:[0-9]+) (.+)$", re.MULTILINE)
GROUNDS = Grounds(2027, (Party("hita", "日田市", 61361), Party("usuki", "臼杵市", 35532)))
TENANTS = ("hita", "usuki")

PLAIN = """format: 1
id: {id}
name: 割り方
parts: [{{by: equal}}]
remainder: first
source: 試験
evidence: example
"""


@pytest.mark.parametrize("case", REFUSED, ids=lambda path: path.stem)
def test_file_is_refused_with_every_mistake(case: Path, tmp_path):
    copy = tmp_path / case.name
    copy.write_bytes(case.read_bytes())
    with pytest.raises(LicensingError) as refused:
        splitting.load(tmp_path, TENANTS)
    expected = EXPECTED.findall(case.read_text(encoding="utf-8"))
    found = sorted(refused.value.problems)
    assert len(found) == len(expected)
    for line, (place, words) in zip(found, sorted((f"{copy}:{p}: {w}", w) for p, w in expected), strict=True):
        assert words in line
        assert line.startswith(place.removesuffix(words))
    assert refused.value.exit_code == 2


def test_one_id_in_two_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(PLAIN.format(id="ours"), encoding="utf-8")
    with pytest.raises(LicensingError) as refused:
        splitting.load(tmp_path)
    assert refused.value.problems == (
        f"{tmp_path}/b.yaml:2:1: id: 負担方法 ours が {tmp_path}/a.yaml にもあります。一つにしてください",
    )


def test_a_buyers_file_replaces_a_shipped_one(tmp_path):
    (tmp_path / "ours.yaml").write_text(PLAIN.format(id="equal"), encoding="utf-8")
    assert splitting.load(tmp_path).method("equal", "費目 a").name == "割り方"


def test_no_folder(tmp_path):
    with pytest.raises(LicensingError, match="負担方法のフォルダーがありません"):
        splitting.load(tmp_path / "none")


def test_unknown_method_has_a_suggestion():
    with pytest.raises(LicensingError) as refused:
        splitting.load().method("populaton", "費目 data-centre")
    assert str(refused.value) == "費目 data-centre: 負担方法 populaton がありません（population のことですか）"


def test_shapley_needs_a_cost_per_group():
    with pytest.raises(LicensingError) as refused:
        splitting.split(item(1), splitting.load().method("shapley", "費目 item"), GROUNDS)
    assert str(refused.value).startswith("費目 item: 負担方法 shapley は使えません（シャープレイ値は")


def test_unknown_tenant_of_an_item():
    with pytest.raises(LicensingError, match="費目 item: 団体 hitaa がありません"):
        splitting.split(item(1, tenants=("hitaa",)), splitting.load().method("equal", "費目 item"), GROUNDS)


def test_nobody_to_pay():
    with pytest.raises(LicensingError, match="負担する団体がありません"):
        splitting.split(item(1), splitting.load().method("equal", "費目 item"), Grounds(2027, ()))


def test_a_value_that_is_not_the_bill_is_our_mistake():
    grounds = Grounds(2027, GROUNDS.parties, licence_cost=lambda _: lambda coalition: 10 * len(coalition))
    with pytest.raises(RuntimeError, match="v of all tenants is 20, the item 21"):
        splitting.split(licence(21), splitting.load().method("shapley", "費目 item"), grounds)


def test_shares_that_do_not_add_up_are_our_mistake(monkeypatch):
    method = splitting.load().method("equal", "費目 item")
    good = splitting.split(item(100), method, GROUNDS)
    with pytest.raises(RuntimeError, match="shares of 2027 are 100 yen, the item 101 yen"):
        splitting.checks.require_sum(item(101), good)


@pytest.mark.parametrize(
    ("name", "words"),
    [(None, r"負担方法のファイル（\*.yaml）がありません"), ("own.yml", r"own.yml: .*\.yaml で終わる")],
)
def test_a_folder_whose_methods_would_not_be_read(tmp_path, name, words):
    if name is not None:
        (tmp_path / name).write_text(PLAIN.format(id="own"), encoding="utf-8")
    with pytest.raises(LicensingError, match=words):
        splitting.load(tmp_path)
