"""The ministry's findings and the document they are reported in."""

from __future__ import annotations

import json

import pytest

import licensing
from layout import layout_file
from layout.licence_records import LicenceResult
from layout.records import Product
from tests.licensing.small_layouts import host, layout, vm

ORACLE = Product(rule="oracle-database-enterprise.processor")
SQL = Product(rule="microsoft-sql-server.core-per-vm")


def plan(**options):
    return layout(
        [host("kvm01"), host("kvm02"), host("kvm03", sockets=1, cores=8), host("bk01", site="backup")],
        [vm("hita-resident-tax-db-01", "kvm02", [ORACLE, SQL], **options), vm("other", "kvm01", [])],
        sets={"primary": ["kvm01", "kvm02", "kvm03"]},
    )


def test_a_vm_that_may_move_needs_licences_on_source_and_destination():
    result = licensing.count(plan(may_run_on="primary"), fiscal_year=2027, entitlements=None)
    [found] = result.findings.movement
    assert (found.planned, found.pinned, found.whole_site) == (36, 16, 36)
    assert (found.hosts_planned, found.hosts_pinned, found.hosts_whole_site) == (3, 1, 3)
    [found] = licensing.count(plan(pinned=True), fiscal_year=2027, entitlements=None).findings.movement
    assert (found.planned, found.pinned, found.whole_site) == (16, 16, 36)


def test_more_hosts_mean_more_licences():
    result = licensing.count(plan(may_run_on="primary"), fiscal_year=2027, entitlements=None)
    [curve] = result.findings.host_curve
    assert curve.hosts == ("kvm02", "kvm01", "kvm03")
    assert [(point.hosts, point.quantity) for point in curve.points] == [(1, 16), (2, 32), (3, 36)]


def test_reasons_name_numbers_and_vm():
    result = licensing.count(plan(may_run_on="primary"), fiscal_year=2027, entitlements=None)
    oracle = next(product for product in result.products if product.rule == ORACLE.rule)
    assert [detail.because for detail in oracle.details] == [
        "kvm01: 2 ソケット x 16 コア x 係数 0.5 = 16（仮想サーバ hita-resident-tax-db-01 が移動できるため）",
        "kvm02: 2 ソケット x 16 コア x 係数 0.5 = 16（仮想サーバ hita-resident-tax-db-01 が動くため）",
        "kvm03: 1 ソケット x 8 コア x 係数 0.5 = 4（仮想サーバ hita-resident-tax-db-01 が移動できるため）",
    ]
    assert oracle.because == "係数 0.5 の合計 36 Processor"


def test_the_document_has_the_agreed_form():
    small = plan(may_run_on="primary")
    result = licensing.count(small, fiscal_year=2027, entitlements=[])
    document = json.loads(result.to_json())
    assert document["format_version"] == "1.0"
    assert document["layout_digest"] == layout_file.layout_digest(small)
    assert "契約書が優先します" in document["notice"]
    for product in document["products"]:
        assert {"rule", "quantity", "unit", "packs", "details", "evidence", "source"} <= product.keys()
        for detail in product["details"]:
            assert detail.keys() in ({"host", "quantity", "because"}, {"vm", "quantity", "because"})
    assert document["violations"]
    for violation in document["violations"]:
        assert {"rule", "vm", "host", "from", "until", "held", "needed"} <= violation.keys()
    assert document["violations"][0]["from"] == "2027-04-01T00:00:00+09:00"
    assert LicenceResult.model_validate_json(result.to_json()) == result


def test_every_product_line_shows_its_evidence_and_the_contract_prevails():
    text = licensing.text(licensing.count(plan(), fiscal_year=2027, entitlements=[]))
    assert text.startswith("判定：ライセンス違反")
    assert text.count("［根拠 ") == 2
    assert "契約書が優先します" in text.splitlines()[-1]
    assert "［未確認］" not in text


def test_every_part_of_a_number_is_shown_on_request():
    result = licensing.count(plan(may_run_on="primary"), fiscal_year=2027, entitlements=[], series=True)
    parts = [f"        {detail.because}" for product in result.products for detail in product.details]
    assert parts
    assert not set(parts) & set(licensing.text(result).splitlines())
    lines = licensing.text(result, detail=True).splitlines()
    assert set(parts) <= set(lines)
    # Days as in the violations: the last one included.
    assert "      令和9年4月1日から令和10年3月31日まで  36 Processor" in lines


@pytest.mark.parametrize("as_of", [None, "2021-01-01"])
def test_unverified_values_are_marked(as_of):
    from datetime import date

    day = None if as_of is None else date.fromisoformat(as_of)
    text = licensing.text(licensing.count(plan(), fiscal_year=2027, entitlements=None, as_of=day))
    # The version of SQL Server's rule before 2022 has dates that nobody checked.
    assert ("［未確認］" in text) == (as_of is not None)


def test_equal_input_gives_equal_bytes():
    one = licensing.count(plan(may_run_on="primary"), fiscal_year=2027, entitlements=[]).to_json()
    assert one == licensing.count(plan(may_run_on="primary"), fiscal_year=2027, entitlements=[]).to_json()
