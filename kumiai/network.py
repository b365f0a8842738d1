"""`kumiai network`: how a host or gateway is to be wired, and who may talk to whom."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .target import OnLab, Uplinks, Uris, target
from .terminal import MALFORMED, OK, UNFIT, RefusedError, emit, emit_json, emit_text, tell

if TYPE_CHECKING:
    from layout.reachability import Matrix
    from layout.records import Layout

Plan = Annotated[Path, typer.Argument(metavar="DIR", help="計画フォルダー")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON で出力する")]


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    group = typer.Typer(no_args_is_help=True, help="ネットワークの分離：ホストとゲートウェイの設定、通信の可否。")
    group.command("show")(show)
    group.command("matrix")(matrix)
    app.add_typer(group, name="network")


def show(
    plan: Plan,
    host: Annotated[str | None, typer.Option("--host", metavar="H", help="このホストのスクリプト")] = None,
    gateway: Annotated[
        str | None, typer.Option("--gateway", metavar="SITE", help="この拠点のゲートウェイのスクリプト")
    ] = None,
    uplinks: Uplinks = None,
    uris: Uris = None,
    on_lab: OnLab = False,
    as_json: AsJson = False,
) -> None:
    """ホストかゲートウェイの設定スクリプトを出力する（sh -s apply で設定、sh -s check で点検）。

    どちらも指定しなければ、スクリプトのあるホストと拠点の一覧を出力する。
    """
    where = target(state=None, uris=uris, domain_type="kvm", on_lab=on_lab, uplinks=uplinks)
    from infra import segmentation
    from infra.refusal import RefusalError
    from layout.uplinks import read_uplinks

    if host is not None and gateway is not None:
        raise RefusedError("--host と --gateway は同時に使えません")
    layout, digest = _layout(plan)
    if where.uplinks is None:
        raise RefusedError("アップリンクのファイルがありません。--uplinks で指定してください")
    wires = read_uplinks(where.uplinks)
    if host is None and gateway is None:
        sites = dict.fromkeys(each.site for each in layout.hosts)
        _tell_list([each.id for each in layout.hosts], [site for site in sites if site in wires.gateways], as_json)
        return
    try:
        network = (
            segmentation.host_rules(layout, wires, host)
            if host is not None
            else segmentation.gateway_rules(layout, wires, gateway or "")
        )
    except RefusalError as refusal:
        raise RefusedError(str(refusal), exit_code=UNFIT if refusal.unfit else MALFORMED) from None
    title = f"{network.name} のネットワーク（計画 {digest[:12]}、{layout.generation} 世代）"
    if as_json:
        emit_json(
            {
                "format_version": "1.0",
                "verdict": title,
                "name": network.name,
                "kind": network.kind,
                "ports": [asdict(port) for port in network.ports],
                "links": network.links,
                "rules": network.rules,
                "script": segmentation.script(network, title),
            }
        )
        return
    emit_text(segmentation.script(network, title))


def _layout(plan: Path) -> tuple[Layout, str]:
    """The layout of a plan folder, and its digest: no table is read, networks are in none."""
    from layout import layout_file

    data = layout_file.read_bytes(plan, layout_file.LAYOUT_FILE)
    return layout_file.parse(data), hashlib.sha256(data).hexdigest()


def _tell_list(hosts: list[str], sites: list[str], as_json: bool) -> None:
    if as_json:
        emit_json({"format_version": "1.0", "verdict": f"ホスト {len(hosts)} 台", "hosts": hosts, "gateways": sites})
        return
    for name in hosts:
        emit(f"--host {name}")
    for site in sites:
        emit(f"--gateway {site}")


def matrix(plan: Plan, as_json: AsJson = False) -> None:
    """どのネットワークからどのネットワークへ通信を開始できるかを示す。書かれていない組は、すべて遮断する。"""
    from layout import reachability

    found = reachability.matrix(_layout(plan)[0])
    pairs = len(found.networks) * (len(found.networks) - 1)
    between = sum(1 for cell in found.cells if {cell.source, cell.destination} <= set(found.networks))
    verdict = f"判定：ネットワーク {len(found.networks)} 個、{pairs} 組のうち {between} 組だけに通信を許す"
    if found.refused:
        verdict = f"判定：開けない通信が flows に {len(found.refused)} 件あります"
    if as_json:
        emit_json({"format_version": "1.0", "verdict": verdict, **_document(found)})
    else:
        emit(verdict)
        for cell in found.cells:
            note = "（一部の仮想サーバのみ）" if cell.partial else ""
            emit(f"  {cell.source} → {cell.destination}  {'、'.join(cell.services)}{note}")
        for opening in found.refused:
            tell(f"  flows の {opening.number} 番目（{opening.text}）：{opening.refusal}")
    raise typer.Exit(UNFIT if found.refused else OK)


def _document(found: Matrix) -> dict[str, object]:
    return {
        "networks": list(found.networks),
        "outside": list(found.outside),
        "allowed": [asdict(cell) for cell in found.cells],
        "refused": [{"flow": each.number, "text": each.text, "reason": each.refusal} for each in found.refused],
    }
