"""通信の可否 and 責任分界 as sheets, one row per pair that is open and one per layer."""

from __future__ import annotations

from ..record import ReportRecord
from .paper import Column, Paper

REACHABILITY, RESPONSIBILITY = "通信の可否", "責任分界"


def isolation_sheets(paper: Paper, record: ReportRecord) -> None:
    """Both sheets; either is left out where the plan has nothing for it."""
    if record.isolation.networks:
        _reachability(paper, record)
    if record.responsibilities:
        _responsibility(paper, record)


def _reachability(paper: Paper, record: ReportRecord) -> None:
    found = record.isolation
    names = {line.id: (line.tenant, line.segment) for line in found.networks}
    refused = tuple(f"flows の {line.number} 番目（{line.text}）は開けません：{line.reason}" for line in found.refused)
    sheet = paper.sheet(
        REACHABILITY,
        REACHABILITY,
        (
            "根拠：入力の flows。ここにある組だけが、この向きに接続を開始できます。",
            "ほかはすべて遮断します（同じネットワークの中を除く）。",
            *refused,
        ),
    )
    columns = (
        Column("開始する側", width=34), Column("団体", width=16), Column("セグメント", width=24),
        Column("相手", width=34), Column("相手の団体", width=16), Column("相手のセグメント", width=24),
        Column("サービス", width=18), Column("範囲", width=18), Column("flows の番号", width=14),
    )  # fmt: skip
    outside = ("計画の外", None)
    sheet.table(
        columns,
        [
            (
                cell.source, *names.get(cell.source, outside), cell.destination,
                *names.get(cell.destination, outside), "、".join(cell.services),
                "一部の仮想サーバ" if cell.partial else "すべての仮想サーバ", "、".join(map(str, cell.flows)),
            )
            for cell in found.allowed
        ],
        freeze_columns=1,
    )  # fmt: skip
    sheet.block(
        "ネットワーク",
        (
            Column("ネットワーク"), Column("団体"), Column("セグメント"), Column("サブネット"), Column("拠点"),
            Column("アドレスの重なる相手"), Column("番号", "number"), Column("VM 数", "number"),
        ),
        [
            (
                line.id, line.tenant, line.segment, line.subnet, line.site, "、".join(line.overlaps), line.number,
                line.vms,
            )
            for line in found.networks
        ],
    )  # fmt: skip


def _responsibility(paper: Paper, record: ReportRecord) -> None:
    sheet = paper.sheet(
        RESPONSIBILITY,
        RESPONSIBILITY,
        (
            "根拠：所有者と運用者は各団体の contact の記載です。「（仮定）」は記載がない所です。",
            "（仮定）の所には普通の分け方を仮に置きました。契約と覚書で確かめて書き換えてください。",
        ),
    )
    columns = (
        Column("対象の団体", width=30), Column("層", width=16), Column("中身", width=30), Column("所有する", width=24),
        Column("運用する", width=24), Column("直す", width=34), Column("主な運用手順書", width=30),
    )  # fmt: skip
    sheet.table(
        columns,
        [
            (
                "、".join(group.tenants), layer.name, layer.holds, layer.owner.text, layer.operator.text,
                layer.repairer.text, "、".join(layer.runbooks),
            )
            for group in record.responsibilities
            for layer in group.layers
        ],
        freeze_columns=2,
    )  # fmt: skip
