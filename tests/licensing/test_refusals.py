"""Input that cannot be counted: one clear line per mistake, exit code 2."""

from __future__ import annotations

from datetime import date, datetime

import pytest

import licensing
from estate.clock import JST
from estate.records import Entitlement
from layout.records import MoveRecord, Product
from licensing import rulebook
from tests.licensing.small_layouts import host, layout, vm

ORACLE = Product(rule="oracle-database-enterprise.processor")
SQL = Product(rule="microsoft-sql-server.core-per-vm")


def at(month: int, day: int) -> datetime:
    return datetime(2027, month, day, tzinfo=JST)


def sql(**options):
    return Product(rule=SQL.rule, options=options)


def move(day: int, from_host: str, to_host: str, name: str = "a") -> MoveRecord:
    return MoveRecord(vm=name, at=at(5, day), from_host=from_host, to_host=to_host)


HOSTS = [host("kvm01"), host("kvm02")]

LAYOUTS = {
    "no factor for the model": (
        layout([host("kvm01", factors={"ibm": 70.0}, model="power7")], [vm("a", "kvm01", [ORACLE])]),
        ["ホスト kvm01 の機種 power7 に oracle の係数がありません", "Oracle の係数表", "契約で確かめる"],
    ),
    "unknown rule": (
        layout(HOSTS, [vm("a", "kvm01", [Product(rule="microsoft-sql-server.core-per-wm")])]),
        ["仮想サーバ a: 規則 microsoft-sql-server.core-per-wm がありません", "microsoft-sql-server.core-per-vm のこと"],
    ),
    "unknown option": (
        layout(HOSTS, [vm("a", "kvm01", [sql(editon="standard")])]),
        ["オプション editon はありません", "edition のことですか"],
    ),
    "unknown choice": (
        layout(HOSTS, [vm("a", "kvm01", [sql(edition="enterprize")])]),
        ["edition の値 'enterprize' は使えません", "enterprise のことですか"],
    ),
    "one is not true": (
        layout(HOSTS, [vm("a", "kvm01", [sql(software_assurance=1)])]),
        ["software_assurance の値 1 は使えません"],
    ),
    "no software assurance": (
        layout(HOSTS, [vm("a", "kvm01", [sql(software_assurance=False)])]),
        ["software_assurance: true が必要です", "SA"],
    ),
    "factor below zero": (
        layout(HOSTS, [vm("a", "kvm01", [Product(rule=ORACLE.rule, options={"core_factor": -0.5})])]),
        ["core_factor の値 -0.5 は使えません", "0 より大きい数"],
    ),
    "product of VMs on a host": (
        layout([host("kvm01", products=[SQL])], []),
        ["ホスト kvm01: microsoft-sql-server.core-per-vm は仮想サーバに置く規則です"],
    ),
    "unknown host": (
        layout(HOSTS, [vm("a", "kvm09", [SQL], may_run_on="all")]),
        ["仮想サーバ a: ホスト kvm09 がありません"],
    ),
    "unknown host set": (
        layout(HOSTS, [vm("a", "kvm01", [SQL], may_run_on="al")]),
        ["may_run_on のホスト集合 al がありません", "all のことですか"],
    ),
    "unknown host in a set": (
        layout(HOSTS, [], sets={"x": ["kvm03"]}),
        ["ホスト集合 x: ホスト kvm03 がありません"],
    ),
    "vCPUs above the maximum": (
        layout(HOSTS, [vm("a", "kvm01", [SQL], vcpu=8, vcpu_max=4)]),
        ["vcpu 8 が vcpu_max 4 を超えています"],
    ),
    "season above the maximum": (
        layout(HOSTS, [vm("a", "kvm01", [SQL], vcpu_max=6, changes=[(at(5, 1), at(6, 1), 8)])]),
        ["vcpu 8 は 1 から vcpu_max 6 まで"],
    ),
    "overlapping seasons": (
        layout(HOSTS, [vm("a", "kvm01", [SQL], changes=[(at(5, 20), at(7, 1), 6), (at(5, 1), at(6, 1), 8)])]),
        ["vcpu_changes が重なっています", "2027-05-20"],
    ),
    "season that ends before it begins": (
        layout(HOSTS, [vm("a", "kvm01", [SQL], changes=[(at(6, 1), at(5, 1), 8)])]),
        ["until が from より後でありません"],
    ),
    "VM that ends before it begins": (
        layout(HOSTS, [vm("a", "kvm01", [SQL], from_=at(6, 1), until=at(5, 1))]),
        ["until 2027-05-01"],
    ),
    "times without an offset": (
        layout(HOSTS, [vm("a", "kvm01", [SQL], from_=at(6, 1).replace(tzinfo=None))]),
        ["時差がありません"],
    ),
    "two VMs of one name": (
        layout(HOSTS, [vm("a", "kvm01", [SQL]), vm("a", "kvm02", [SQL])]),
        ["仮想サーバ a が 2 回あります"],
    ),
    "move of an unknown VM": (
        layout(HOSTS, [vm("a", "kvm01", [SQL])], moves=[move(1, "kvm01", "kvm02", "b")]),
        ["仮想サーバ b がありません"],
    ),
    "move from where the VM is not": (
        layout(HOSTS, [vm("a", "kvm01", [SQL])], moves=[move(1, "kvm01", "kvm02"), move(2, "kvm01", "kvm02")]),
        ["移動元は kvm02 のはずです（kvm01 とあります）"],
    ),
    "another major version": (
        layout(HOSTS, []).model_copy(update={"format_version": "2.0"}),
        ["format_version 2.0 は読めません"],
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_that_contradict_themselves(name):
    plan, expected = LAYOUTS[name]
    with pytest.raises(licensing.LicensingError) as error:
        licensing.count(plan, fiscal_year=2027, entitlements=None)
    for text in expected:
        assert text in str(error.value)
    assert error.value.exit_code == 2
    assert len(error.value.problems) == 1


def test_all_mistakes_at_once():
    plan = layout(HOSTS, [vm("a", "kvm09", [SQL], may_run_on="none", vcpu=8, vcpu_max=4)])
    with pytest.raises(licensing.LicensingError) as error:
        licensing.count(plan, fiscal_year=2027, entitlements=None)
    assert len(error.value.problems) == 3


def test_entitlements_of_unknown_rules_and_reversed_dates():
    entitlements = [
        Entitlement(id="e1", rule="sraoss-powergress.os", quantity=1, source="契約書"),
        Entitlement(
            id="e2",
            rule=SQL.rule,
            quantity=1,
            **{"from": date(2027, 5, 1)},
            until=date(2027, 4, 1),
            source="契約書",
        ),
    ]
    with pytest.raises(licensing.LicensingError) as error:
        licensing.count(layout(HOSTS, []), fiscal_year=2027, entitlements=entitlements)
    assert "sraoss-powergres.os のことですか" in error.value.problems[0]
    assert "until 2027-04-01" in error.value.problems[1]


def test_a_date_before_every_version():
    plan = layout(HOSTS, [vm("a", "kvm01", [SQL])])
    with pytest.raises(licensing.LicensingError, match="2001-01-01 に日本で有効な版がありません"):
        licensing.count(plan, fiscal_year=2027, entitlements=None, as_of=date(2001, 1, 1))


POWERGRES = (rulebook.SHIPPED / "sraoss-powergres.os.yaml").read_text(encoding="utf-8")

RULES = {
    "floor of VMs on hosts": (("base: os", "base: host"), ("floors: {}", "floors: {per_vm: 4}"), "floors.per_vm"),
    "cap of VMs": (("cap: none", "cap: vcpu-sum"), ("", ""), "cap: vcpu-sum"),
    "window without days": (("hosts: running", "hosts: ran-on"), ("", ""), "window_days"),
    "factor without value": (("by: one", "by: value"), ("", ""), "value"),
    "peak without period": (("law: instant-maximum", "law: concurrent-peak"), ("", ""), "period"),
    "unknown key": (("    region: japan", "    region: japan\n    expression: vcpu * 2"), ("", ""), "expression"),
    "reversed dates": (("valid_to: null", "valid_to: 2009-01-01"), ("", ""), "valid_to 2009-01-01"),
    "undeclared option": (("- sits_on", "- when: {edition: x}\n        sits_on"), ("", ""), "edition"),
    "negative floor": (("floors: {}", "floors: {per_vm: -1}"), ("", ""), "per_vm"),
}


@pytest.mark.parametrize("name", RULES)
def test_rule_files_that_cannot_be(name, tmp_path):
    one, two, expected = RULES[name]
    text = POWERGRES.replace(*one).replace(*two) if two[0] else POWERGRES.replace(*one)
    assert text != POWERGRES
    (tmp_path / "broken.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(licensing.LicensingError) as error:
        rulebook.load_rules(tmp_path)
    assert expected in str(error.value)
    assert "broken.yaml:" in str(error.value)


def test_two_files_with_one_rule_and_a_folder_that_is_not_there(tmp_path):
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(POWERGRES, encoding="utf-8")
    with pytest.raises(licensing.LicensingError, match=r"a\.yaml にもあります"):
        rulebook.load_rules(tmp_path)
    with pytest.raises(licensing.LicensingError, match="規則のフォルダーがありません"):
        rulebook.load_rules(tmp_path / "missing")


def test_a_buyers_rule_replaces_the_shipped_one(tmp_path):
    (tmp_path / "ours.yaml").write_text(POWERGRES.replace("floors: {}", "floors: {per_vm: 3}"), encoding="utf-8")
    plan = layout(HOSTS, [vm("a", "kvm01", [Product(rule="sraoss-powergres.os")])])
    assert licensing.count(plan, fiscal_year=2027, entitlements=None).products[0].quantity == 1
    assert licensing.count(plan, fiscal_year=2027, entitlements=None, rules_dir=tmp_path).products[0].quantity == 3
