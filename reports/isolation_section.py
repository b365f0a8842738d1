"""The report's sections on isolation: the reachability matrix, and 責任分界."""

from __future__ import annotations

from .figures import number
from .isolation import Isolation, NetworkLine, Party
from .markup import Markup, Part, join, table, tag
from .record import ReportRecord

MOST_COLUMNS = 40
"""A matrix with more networks than this cannot be read on a page; the list of what is allowed says the same."""


def isolation_section(record: ReportRecord) -> Markup:
    """Who may open a connection to whom: the matrix, and one line per pair that is open."""
    found = record.isolation
    if not found.networks:
        return Markup("")
    ids = {line.id for line in found.networks}
    pairs = len(found.networks) * (len(found.networks) - 1)
    between = sum(cell.source in ids and cell.destination in ids for cell in found.allowed)
    parts: list[Part] = [
        tag(
            "p",
            f"{number(len(found.networks))} のネットワークの間には {number(pairs)} の組（向きを区別）があり、"
            f"そのうち接続を開始できるのは {number(between)} 組だけです。ほかはすべて遮断します。"
            "同じネットワークの中では互いに通信できます。許した接続への返事は通りますが、逆向きに接続を開始することはできません。",
        )
    ]
    parts += [
        tag("p", f"flows の {line.number} 番目（{line.text}）は開けません：{line.reason}", class_="alarm")
        for line in found.refused
    ]
    parts.append(_networks(found))
    if len(found.networks) + len(found.outside) <= MOST_COLUMNS:
        parts.append(_matrix(found))
    parts.append(_allowed(found))
    return join(parts)


def _networks(found: Isolation) -> Markup:
    overlapping = any(line.overlaps for line in found.networks)
    heads = [
        "番号",
        "団体",
        "セグメント",
        "拠点",
        "サブネット",
        "VM",
        *(["アドレスの重なる相手"] if overlapping else []),
    ]
    note = "アドレスの重なるネットワークは、ブリッジでは分かれていますが、ゲートウェイは経路を持ちません。"
    return join(
        (
            table(
                "ネットワーク",
                heads,
                (
                    (
                        str(line.number),
                        join((line.tenant, tag("span", line.id, class_="id"))),
                        line.segment,
                        line.site,
                        tag("span", line.subnet, class_="mono"),
                        number(line.vms),
                        *(["、".join(line.overlaps) or "—"] if overlapping else []),
                    )
                    for line in found.networks
                ),
                numbers=(5,),
            ),
            tag("p", note, class_="soft") if overlapping else None,
        )
    )


def _matrix(found: Isolation) -> Markup:
    names = [line.id for line in found.networks]
    columns = [*names, *found.outside]
    cells = {(cell.source, cell.destination): cell for cell in found.allowed}
    heads = [str(line.number) for line in found.networks] + [f"外{n}" for n in range(1, len(found.outside) + 1)]

    def shown(source: str, destination: str) -> Part:
        if {source, destination} <= set(found.outside):
            return "—"
        if source == destination:
            return tag("span", "同", class_="same")
        cell = cells.get((source, destination))
        if cell is None:
            return tag("span", "×", class_="shut")
        return tag("span", "△" if cell.partial else "○", class_="open", title="、".join(cell.services))

    rows = [(_row_head(line), *(shown(line.id, destination) for destination in columns)) for line in found.networks] + [
        (f"外{n}　{address}", *(shown(address, destination) for destination in columns))
        for n, address in enumerate(found.outside, 1)
    ]
    outside = "　".join(f"外{n}：{address}" for n, address in enumerate(found.outside, 1))
    return join(
        (
            table("通信の可否（行から列へ接続を開始できるか）", ("接続を開始する側", *heads), rows, class_="matrix"),
            tag(
                "p",
                "○ 許す　△ 一部の仮想サーバだけ許す　× 遮断　同 同じネットワーク"
                + (f"　／　計画の外の相手　{outside}" if outside else ""),
                class_="soft",
            ),
        )
    )


def _row_head(line: NetworkLine) -> str:
    return f"{line.number}　{line.tenant} {line.segment}"


def _allowed(found: Isolation) -> Markup:
    names = {line.id: _row_head(line) for line in found.networks}
    return table(
        f"許す通信 {len(found.allowed)} 組",
        ("接続を開始する側", "相手", "サービス", "範囲", "flows の番号"),
        (
            (
                names.get(cell.source, f"計画の外　{cell.source}"),
                names.get(cell.destination, f"計画の外　{cell.destination}"),
                tag("span", "、".join(cell.services), class_="mono"),
                "一部の仮想サーバ" if cell.partial else "すべての仮想サーバ",
                "、".join(map(str, cell.flows)),
            )
            for cell in found.allowed
        ),
    )


def responsibility_section(record: ReportRecord) -> Markup:
    """Who owns, operates and repairs each layer (責任分界), by operator."""
    parts: list[Part] = [
        tag(
            "p",
            "所有者と運用者は各団体の contact（責任分界）の記載によります。「（仮定）」は入力に記載がなく、"
            "この種のセンターで普通の分け方を仮に置いたものです。どの層までが運用者の受け持ちかも入力にはないので、"
            "表の割り当て全体を、契約と覚書で確かめて書き換えてください。",
            class_="note",
        )
    ]
    for group in record.responsibilities:
        who = "、".join(group.tenants)
        operator = group.operator or "運用者の記載なし【要記入】"
        parts.append(
            table(
                f"運用：{operator}　対象：{who}（{len(group.tenants)} 団体）",
                ("層", "中身", "所有する", "運用する", "直す", "主な運用手順書"),
                (
                    (
                        layer.name,
                        layer.holds,
                        _party(layer.owner),
                        _party(layer.operator),
                        _party(layer.repairer),
                        tag("span", "、".join(layer.runbooks) or "—", class_="mono"),
                    )
                    for layer in group.layers
                ),
            )
        )
    return join(parts) if record.responsibilities else Markup("")


def _party(party: Party) -> Markup:
    return tag("span", party.text, class_=None if party.source == "stated" else "guess")
