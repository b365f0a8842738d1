"""The operator's `--param NAME=VALUE` -> values that fit their types and the plan."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from estate.problems import shown
from layout.errors import FolderError
from layout.folder import read_planned
from layout.records import Layout
from runbooks.errors import RunbookError, Value
from runbooks.text import templates
from runbooks.text.records import Header, Parameter

LONGEST_TEXT = 400
TYPES = {
    "vm": "仮想サーバ", "host": "ホスト", "tenant": "団体", "site": "拠点", "network": "ネットワーク",
    "integer": "整数",    "text": "文字列", "date": "日付", "path": "パス", "size_gib": "容量（GiB）",
    "plan": "計画フォルダー",
}  # fmt: skip


def bind(header: Header, given: Mapping[str, str], layout: Layout, names: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters' values in the order of the header. Raises RunbookError with every mistake of the operator's.

    A VM, host or network is its record, a tenant or site its id.
    """
    wrong: list[str] = []
    meant: set[str] = set()
    for unknown in (name for name in given if name not in header.parameters):
        near = difflib.get_close_matches(unknown[:80], header.parameters, n=1, cutoff=0.6)
        meant.update(near)
        hint = f"もしかして: {shown(near[0])}。" if near else ""
        wrong.append(f"引数「{unknown[:80]}」はありません。{hint}使えるもの: {'、'.join(header.parameters) or 'なし'}")
    values: dict[str, Any] = {}
    for name, parameter in header.parameters.items():
        try:
            if name in given:
                values[name] = parse(parameter, given[name], layout)
            elif parameter.default is not None:
                if wrong:
                    continue  # it may rest on a value that is wrong: its own complaint would only follow from that
                found = templates.value(parameter.default, {**names, **values})
                values[name] = parse(parameter, templates.plain(found), layout)
            elif name not in meant:
                raise RunbookError(f"必須です（{parameter.help}）。--param {name}=… を付けてください")  # noqa: TRY301
        except RunbookError as error:
            wrong.append(f"引数「{name}」: {error}")
    if wrong:
        raise RunbookError("\n".join(wrong))
    return values


def parse(parameter: Parameter, text: str, layout: Layout) -> Value:
    """The value of one parameter. Raises RunbookError."""
    value = _READERS[parameter.type](text, layout)
    if parameter.choices and text not in parameter.choices:
        raise RunbookError(f"{shown(text)} は使えません。使えるもの: {'、'.join(parameter.choices)}")
    if parameter.pattern is not None and not re.fullmatch(parameter.pattern, text):
        raise RunbookError(f"{shown(text)} の書き方が違います。正しい形は {parameter.pattern} です")
    if isinstance(value, (int, float)):
        if parameter.minimum is not None and value < parameter.minimum:
            raise RunbookError(f"{text} は小さすぎます。{parameter.minimum} 以上にしてください")
        if parameter.maximum is not None and value > parameter.maximum:
            raise RunbookError(f"{text} は大きすぎます。{parameter.maximum} 以下にしてください")
    return value


def _one_of(what: str, known: Mapping[str, Any], text: str) -> Value:
    if text in known:
        return known[text]
    near = difflib.get_close_matches(text[:80], known, n=1, cutoff=0.6)
    hint = f"。もしかして: {shown(near[0])}" if near else ""
    raise RunbookError(f"{what}{shown(text)}は計画にありません{hint}")


def _vm(text: str, layout: Layout) -> Value:
    return _one_of("仮想サーバ", {vm.id: vm for vm in layout.vms}, text)


def _host(text: str, layout: Layout) -> Value:
    return _one_of("ホスト", {host.id: host for host in layout.hosts}, text)


def _tenant(text: str, layout: Layout) -> Value:
    return _one_of("団体", {vm.tenant: vm.tenant for vm in layout.vms if vm.tenant}, text)


def _site(text: str, layout: Layout) -> Value:
    return _one_of("拠点", {host.site: host.site for host in layout.hosts}, text)


def _network(text: str, layout: Layout) -> Value:
    return _one_of("ネットワーク", {network.id: network for network in layout.networks}, text)


def _integer(text: str, _: Layout) -> int:
    if not re.fullmatch(r"-?[0-9]{1,15}", text):
        raise RunbookError(f"{shown(text)} は整数ではありません。半角の数字で書いてください")
    return int(text)


def _size(text: str, _: Layout) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text) or float(text) <= 0:
        raise RunbookError(f"{shown(text)} は容量（GiB、正の数）ではありません")
    return float(text)


def _text(text: str, _: Layout) -> str:
    if not text or len(text) > LONGEST_TEXT or not text.isprintable():
        raise RunbookError(f"{shown(text)} は使えません。1〜{LONGEST_TEXT} 字の一行にしてください")
    if text.startswith("-"):
        raise RunbookError(f"{shown(text)} は使えません。「-」で始まると命令のオプションと読まれます")
    return text


def _date(text: str, _: Layout) -> date:
    wrong = RunbookError(f"{shown(text)} は日付ではありません。2027-04-01 の形で書いてください")
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise wrong
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise wrong from None


def _path(text: str, layout: Layout) -> str:
    path = Path(_text(text, layout)).expanduser()
    if ".." in path.parts:
        raise RunbookError(f"{shown(text)} は使えません。「..」のないパスにしてください")
    return str(path if path.is_absolute() else Path.cwd() / path)


def _plan(text: str, layout: Layout) -> str:
    """The path of another plan folder, which must be sound: commands read it later, when hosts are changed already."""
    path = _path(text, layout)
    try:
        read_planned(Path(path))
    except FolderError as error:
        raise RunbookError(f"{shown(text)} は計画フォルダーとして使えません（{error}）") from None
    return path


_READERS = {
    "vm": _vm, "host": _host, "tenant": _tenant, "site": _site, "network": _network, "integer": _integer,
    "text": _text, "date": _date, "path": _path, "size_gib": _size,
    "plan": _plan,
}  # fmt: skip
