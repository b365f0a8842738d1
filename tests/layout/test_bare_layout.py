"""A layout written by hand for a licence count may leave out what its other fields say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from layout import layout_file
from layout.errors import FolderError
from layout.records import Layout


def least() -> dict[str, Any]:
    """The least that a count needs."""
    return {
        "format_version": "1.0",
        "estate": {"fiscal_year": 2027},
        "hosts": [{"id": "h1", "sockets": 2, "cores_per_socket": 8}, {"id": "h2", "sockets": 1, "cores_per_socket": 4}],
        "vms": [
            {"id": "a", "host": "h1", "vcpu": 4, "products": [{"rule": "ibm.vpc"}]},
            {
                "id": "b",
                "host": "h1",
                "vcpu": 4,
                "vcpu_changes": [
                    {"from": "2027-05-01T00:00:00+09:00", "until": "2027-06-01T00:00:00+09:00", "vcpu": 9}
                ],
            },
        ],
    }


def read(tmp_path: Path, document: dict[str, Any]) -> Layout:
    path = tmp_path / "layout.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return layout_file.read_layout(path)


def test_what_is_left_out_follows_from_the_rest(tmp_path: Path):
    layout = read(tmp_path, least())
    assert [host.socket_capacity for host in layout.hosts] == [2, 1]
    assert [vm.vcpu_max for vm in layout.vms] == [4, 9]
    sets = {group.id: group.hosts for group in layout.host_sets}
    assert [sets[vm.may_run_on] for vm in layout.vms] == [("h1",), ("h1",)]
    assert layout.generation == 1


def test_what_is_said_is_never_changed(tmp_path: Path):
    document = least()
    document["host_sets"] = [{"id": "both", "hosts": ["h1", "h2"]}]
    document["hosts"][0]["socket_capacity"] = 4
    document["vms"][0] |= {"may_run_on": "both", "vcpu_max": 16}
    layout = read(tmp_path, document)
    assert [host.socket_capacity for host in layout.hosts] == [4, 1]
    assert (layout.vms[0].may_run_on, layout.vms[0].vcpu_max) == ("both", 16)


def test_null_is_left_out_and_the_infrastructure_is_not_asked(tmp_path: Path):
    document = least() | {"networks": [{"id": "n"}], "bounds": None, "moves": None}
    document["hosts"][0] |= {"uri": None, "pools": "default"}
    document["vms"][0] |= {"mac": None, "disks": [{"name": "system"}], "anti_affinity": {}, "affinity": None}
    layout = read(tmp_path, document)
    assert (layout.networks, layout.hosts[0].pools, layout.vms[0].disks, layout.vms[0].affinity) == ((), (), (), ())


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda d: d.pop("estate"), r"layout\.json:1:1: estate: この項目がありません$"),
        (lambda d: d["hosts"][1].pop("sockets"), r"hosts\[1\]\.sockets: この項目がありません（ほか 1 件）$"),
        (lambda d: d["vms"][1].update(vcpu="four"), r"layout\.json:1:\d+: vms\[1\]\.vcpu: 整数が必要です（値: four）"),
        (lambda d: d["vms"][0].update(host="h9"), r"VM「a」: ホスト「h9」が定義されていません$"),
        (lambda d: d["vms"][1].update(vcpu_max=8), r"VM「b」: vcpu_max 8 が最大の vCPU 9 より小さいです"),
        (lambda d: d.update(format_version="2.0"), "形式バージョン 2.0 は読めません"),
        (lambda d: d.update(vms=4), r"vms: 配列が必要です（値: 4）$"),
    ],
)
def test_what_does_not_follow_is_refused_where_it_stands(tmp_path: Path, damage: Any, told: str):
    document = least()
    damage(document)
    with pytest.raises(FolderError, match=told):
        read(tmp_path, document)
