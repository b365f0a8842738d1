"""The four ledgers. What only the buyer knows stays empty, its heads say 【要記入】."""

from __future__ import annotations

from collections.abc import Sequence

from ..evidence import LEGEND
from ..ledgers import Ledgers
from .paper import OPEN_MARK, Cell, Column, Paper

HARDWARE, INSTALLED = "ハードウェア台帳", "導入ソフトウェア台帳"
LICENCES, MEDIA = "ライセンス台帳", "ライセンス関連部材台帳"
_OPEN_NOTE = f"{OPEN_MARK}の列は、計画からは分からないので空けてあります。調達した後に書き入れてください。"


def _open(head: str, width: float = 13) -> Column:
    return Column(head, "open", open=True, width=width)


def ledger_sheets(paper: Paper, ledgers: Ledgers, *, counted: bool) -> None:
    """The four sheets; `counted` says whether licences were counted."""
    _hardware(paper, ledgers)
    _installed(paper, ledgers)
    _licences(paper, ledgers, counted=counted)
    _media(paper, ledgers)


def _ledger(paper: Paper, name: str, notes: Sequence[str], columns: Sequence[Column], rows: Sequence[Sequence[Cell]],
            *, freeze: int) -> None:  # fmt: skip
    """A ledger, continued on `NAME_2`, … where a sheet is full."""
    columns = (Column("番号", "number", width=6), *columns)
    numbered = [(number, *row) for number, row in enumerate(rows, 1)]
    room = paper.most_rows - 10  # title, notes and head stand above the rows
    for part, start in enumerate(range(0, max(len(numbered), 1), room), 1):
        sheet = paper.sheet(name if part == 1 else f"{name}_{part}", name, (*notes, _OPEN_NOTE))
        sheet.table(columns, numbered[start : start + room], freeze_columns=freeze)


def _hardware(paper: Paper, ledgers: Ledgers) -> None:
    columns = (
        Column("管理番号（ホスト）", width=13), Column("拠点", width=12), _open("設置場所（ラック）"), _open("製造元"),
        Column("機種", width=14), _open("製造番号"), Column("用途", width=7), Column("ソケット", "number", width=8),
        Column("ソケット容量", "number", width=8), Column("コア／ソケット", "number", width=9),
        Column("コア計", "number", width=8), Column("スレッド／コア", "number", width=9),
        Column("メモリー（GiB）", "number", width=10), Column("ディスク（GiB）", "number", width=10),
        Column("コア係数", width=14), Column("VM 数", "number", width=7), _open("購入日"), _open("保守期限"),
        _open("管理部署"),
    )  # fmt: skip
    rows = [
        (
            line.host, line.site, None, None, line.model, None, line.use, line.sockets, line.socket_capacity,
            line.cores_per_socket, line.cores, line.threads_per_core, line.memory_gib, line.disk_gib,
            line.core_factors, line.vms, None, None, None,
        )
        for line in ledgers.hardware
    ]  # fmt: skip
    notes = (
        "計画のホストです。コアとソケットの数がライセンスの計数のもとになります（規則ごとの根拠は「根拠」のシート）。",
    )
    _ledger(paper, HARDWARE, notes, columns, rows, freeze=2)


def _installed(paper: Paper, ledgers: Ledgers) -> None:
    columns = (
        Column("仮想サーバ", width=30), Column("ホスト", width=10), Column("団体", width=14), Column("業務", width=18),
        Column("役割", width=8), Column("vCPU", "number", width=7), Column("vCPU 最大", "number", width=8),
        Column("動けるホスト数", "number", width=9), Column("基本イメージ", width=11), Column("製造元", width=15),
        Column("製品", width=36), Column("エディション", width=12), _open("版"), Column("選択肢", width=22),
        Column("計数の規則", width=32), Column("根拠", width=8), _open("導入日"), _open("導入した部署"),
    )  # fmt: skip
    rows = []
    for line in ledgers.installed:
        product = line.product
        what: tuple[Cell, ...] = (
            (None, "計数する製品なし", None, None, None, None, None)
            if product is None
            else (
                product.vendor, product.name, product.edition, None, product.options, product.rule,
                product.evidence or "未計数",
            )
        )  # fmt: skip
        rows.append(
            (line.vm, line.host, line.tenant, line.system, line.role, line.vcpu, line.vcpu_max, line.reach, line.image,
             *what, None, None)
        )  # fmt: skip
    notes = (
        "仮想サーバとホストに載る製品です。計数の規則を割り当てていない製品（基本イメージの OS など）は含みません。",
        LEGEND,
    )
    _ledger(paper, INSTALLED, notes, columns, rows, freeze=2)


def _licences(paper: Paper, ledgers: Ledgers, *, counted: bool) -> None:
    columns = (
        Column("区分", width=7), Column("製造元", width=15), Column("製品", width=36), Column("エディション", width=12),
        _open("版"), Column("ライセンスの種類", width=16), Column("形態", width=14), Column("条件", width=34),
        Column("選択肢", width=22), Column("数量", "number", width=9), Column("単位", width=11),
        Column("パック数", "number", width=10), Column("使用者", width=14), Column("有効開始", "date", width=12),
        Column("有効終了", "date", width=12), _open("購入日"), _open("購入元"), _open("購入部署"), _open("証書番号"),
        _open("保有部署"), _open("保管場所"), Column("計数の規則", width=32), Column("根拠", width=8),
        Column("出典", width=40),
    )  # fmt: skip
    rows = [
        (
            line.state, line.vendor, line.product, line.edition, None, line.metric, line.form, line.terms, line.options,
            line.quantity, line.unit, line.packs, line.owner, line.valid_from, line.valid_until, None, None, None, None,
            None, None, line.rule, line.evidence or "未計数", line.source,
        )
        for line in ledgers.licences
    ]  # fmt: skip
    notes = [
        "「必要」はこの構成が一年に要する数、「保有」は構成ファイルに書かれた保有数です。"
        if counted
        else "ライセンスはまだ数えていないので、保有だけです（kumiai license count で数えます）。",
        "有効終了は、その日から使えない日です（終わりの日を含みません）。",
        LEGEND,
    ]
    _ledger(paper, LICENCES, notes, columns, rows, freeze=4)


def _media(paper: Paper, ledgers: Ledgers) -> None:
    columns = (
        Column("部材の種類", width=20), Column("製造元", width=15), Column("製品", width=36),
        Column("計数の規則", width=32), Column("対応するライセンス", width=24), _open("管理番号"),
        _open("版"), _open("数量"), _open("入手日"),
        _open("保管場所"), _open("管理部署"), _open("貸出・返却"),
    )  # fmt: skip
    rows = [(line.kind, line.vendor, line.product, line.rule, line.belongs_to, *([None] * 7)) for line in ledgers.media]
    notes = ("ライセンス台帳の各行に属する証書・キー・媒体です。製品ごとの根拠の記号はライセンス台帳にあります。",)
    _ledger(paper, MEDIA, notes, columns, rows, freeze=4)
