"""The reachability matrix and 責任分界, in the page and in the workbook."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import openpyxl
import pytest

from layout import folder
from layout.records import FlowEnd, FlowRecord
from reports import html, workbook
from reports.isolation import Party
from reports.record import gather
from tests.reports import folders


def flow(source, destination, port=443):
    return FlowRecord(source=FlowEnd(**source), destination=FlowEnd(**destination), protocol="tcp", port=port)


def planned(path, flows=(), contact=None, **layout):
    """A folder whose tenants have these contacts, by tenant id, and whose layout is changed."""
    made = folders.contents()
    tenants = []
    for tenant in made.estate.tenants:
        data = tenant.model_dump(mode="json", by_alias=True) | {"contact": (contact or {}).get(tenant.id)}
        tenants.append(type(tenant).model_validate(data, strict=False))
    estate = made.estate.model_copy(update={"tenants": tuple(tenants)})
    changed = made.layout.model_copy(update={"flows": tuple(flows), **layout})
    return folder.write(path, replace(made, estate=estate, layout=changed))


MINE = {"tenant": "t00", "segment": "mynumber"}
CONTACTS = {
    "t00": {"owner": "延岡市", "operator": "共同センター"},
    "t01": {"owner": "日田市", "operator": "共同センター"},
}


def row(text, head):
    """The cells of the matrix row that begins so."""
    line = next(line for line in re.findall(r"<tr>.*?</tr>", text) if f'<th scope="row">{head}' in line)
    return re.findall(r"<td>(?:<[^>]*>)?([^<]*)", line)


def test_the_matrix_says_both_directions(tmp_path):
    plan = planned(tmp_path / "p", [flow(MINE, {"tenant": "t01", "segment": "mynumber"})])
    record = gather(plan)
    (cell,) = record.isolation.allowed
    assert (cell.source[:3], cell.destination[:3], cell.services, cell.partial) == ("t00", "t01", ("tcp/443",), False)
    text = html.render(record)
    names = {line.id: f"{line.number}　{line.tenant} {line.segment}" for line in record.isolation.networks}
    order = [line.id for line in record.isolation.networks]
    forth, back = row(text, names[cell.source]), row(text, names[cell.destination])
    assert forth[order.index(cell.destination)] == "○"
    assert back[order.index(cell.source)] == "×"
    assert forth[order.index(cell.source)] == "同"
    assert forth.count("○") + forth.count("△") == 1
    assert "そのうち接続を開始できるのは 1 組だけです" in text


def test_what_is_open_to_a_part_only_and_to_the_outside(tmp_path):
    plan = planned(
        tmp_path / "p",
        [
            flow({"tenant": "t00", "system": "s00"}, {"address": "192.0.2.10"}),
            flow({"address": "192.0.2.10"}, {"tenant": "t01"}),
        ],
    )
    record = gather(plan)
    assert record.isolation.outside == ("192.0.2.10",)
    text = html.render(record)
    assert "外1：192.0.2.10" in text
    assert row(text, "外1　192.0.2.10")[-1] == "—"
    assert "○" in row(text, "外1　192.0.2.10")


def test_a_refused_flow_is_an_alarm(tmp_path):
    plan = planned(tmp_path / "p", [flow({"segment": "mynumber"}, {"tenant": "t01"})])
    record = gather(plan)
    assert record.isolation.allowed == ()
    assert [line.number for line in record.isolation.refused] == [1]
    assert "flows の 1 番目" in html.render(record)
    sheets = openpyxl.load_workbook(io.BytesIO(workbook.render(record)))
    assert any("flows の 1 番目" in str(cell.value) for cells in sheets["通信の可否"].iter_rows() for cell in cells)


def test_overlapping_networks_are_named(tmp_path):
    made = folders.contents().layout
    first, *others = made.networks
    same = others[0].model_copy(update={"subnet": first.subnet, "gateway": first.gateway})
    members = [vm for vm in made.vms if vm.network == same.id]
    vms = tuple(
        vm.model_copy(update={"address": f"{first.gateway.rpartition('.')[0]}.{200 + members.index(vm)}"})
        if vm in members
        else vm
        for vm in made.vms
    )
    plan = planned(tmp_path / "p", networks=(first, same, *others[1:]), vms=vms)
    record = gather(plan)
    assert record.isolation.networks[0].overlaps == (same.id,)
    assert "ゲートウェイは経路を持ちません" in html.render(record)


def test_who_answers_for_what(tmp_path):
    record = gather(planned(tmp_path / "p", contact=CONTACTS))
    groups = {group.operator: group for group in record.responsibilities}
    centre = groups["共同センター"]
    assert centre.tenants == ("延岡市", "日田市")
    layers = {layer.name: layer for layer in centre.layers}
    assert layers["データ"].owner == Party("各団体", "stated")
    assert layers["ネットワーク"].operator == Party("共同センター", "stated")
    assert layers["ネットワーク"].runbooks == ("apply-network",)
    assert layers["施設"].operator.text == "データセンターの事業者（仮定）"
    text = html.render(record)
    assert "運用：共同センター　対象：延岡市、日田市（2 団体）" in text
    assert "データセンターの事業者（仮定）" in text


def test_one_tenant_alone_is_named(tmp_path):
    record = gather(planned(tmp_path / "p", contact={"t00": {"owner": "延岡市", "operator": "情報課"}}))
    alone = next(group for group in record.responsibilities if group.operator == "情報課")
    assert {layer.name: layer.owner for layer in alone.layers}["データ"] == Party("延岡市", "stated")


def test_a_tenant_without_a_contact_is_left_to_be_filled_in(tmp_path):
    record = gather(planned(tmp_path / "p"))
    (group,) = record.responsibilities
    assert group.operator is None
    text = html.render(record)
    assert "運用者の記載なし【要記入】" in text
    assert "団体【要記入】" in text


@pytest.mark.parametrize("sheet", ["通信の可否", "責任分界"])
def test_the_workbook_says_the_same(tmp_path, sheet):
    record = gather(planned(tmp_path / "p", [flow(MINE, {"tenant": "t01", "segment": "mynumber"})], CONTACTS))
    book = openpyxl.load_workbook(io.BytesIO(workbook.render(record)))
    rows = [list(cells) for cells in book[sheet].iter_rows(values_only=True)]
    if sheet == "責任分界":
        data = next(cells for cells in rows if "データ" in cells)
        assert data[3:6] == ["各団体", "共同センター", "共同センターが戻し、各団体が内容を確かめる（仮定）"]
    else:
        (line,) = (cells for cells in rows if "tcp/443" in cells)
        assert (line[1], line[4]) == ("延岡市", "日田市")
    listed = [cells for cells in book["表紙"].iter_rows(values_only=True) if sheet in cells]
    assert listed
