"""What pydantic found wrong with a value, said in Japanese: what is wrong (what was found), what would be right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from functools import partial

from pydantic_core import ErrorDetails

from . import scalars
from .problems import shown
from .yaml_reader import Node

FORMS = {
    r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$": "id は半角の英小文字、数字、ハイフンで 40 字以内（例 nobeoka）",
    r"^[a-z0-9]([a-z0-9.-]|\{[0-9]{1,5}\.\.[0-9]{1,5}\}){0,60}$": "ホスト名は英小文字と数字（例 kvm{01..12}）",
    r"^([01][0-9]|2[0-3]):[0-5][0-9]-(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$": "時間帯は 20:00-06:00 の形",
    r"^[+-]?[0-9]{1,3} (days|business_days|months)$": "ずらす日数は 3 桁までで「-5 business_days」「1 months」の形",
    r"^[a-z0-9-]+\.[a-z0-9-]+$": "規則の id は oracle.database-ee のような「製造元.製品」の形",
    r"^/[A-Za-z0-9._/-]{1,200}$": "パスは / で始まる半角（例 /var/lib/libvirt/images）",
    r"^[a-z][a-z0-9+]{2,19}://[A-Za-z0-9._~:/?#\[\]@+,=%&{}-]{1,400}$": "接続先は qemu+ssh://ops@host/system の形",
    r"^[^\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]+$": "名前は改行、制御文字、方向の印のない一行",
    r"^[0-9]{6}$": '全国地方公共団体コードは検査数字を含む 6 桁（例 "442046"）',
}
"""What would be right, by the pattern that a text must match."""

EXAMPLES = dict(zip(FORMS, ("x", "x", "00:00-24:00", "0 days", "x.x", "/x", "test://x", "x", "000001"), strict=True))
"""A text that matches, by pattern: it stands in for a wrong one while the rest of a file is checked."""

_DATE = "日付ではありません（{found}）。実在する日付を 2027-04-01 の形で書いてください"
_MOMENT = "日時ではありません（{found}）。実在する日時を 2027-04-01T22:00:00+09:00 の形で書いてください"
_MAPPING = "対応表が要ります（{found}）。「キー: 値」の並びで書いてください"
_LIST = "リストが要ります（{found}）。「- 」の並びか [ ] で書いてください"
_SENTENCES = {
    "date_parsing": _DATE,
    "date_type": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "datetime_parsing": _MOMENT,
    "datetime_type": _MOMENT,
    "datetime_from_date_parsing": _MOMENT,
    "datetime_object_invalid": _MOMENT,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dict_type": _MAPPING,
    "tuple_type": _LIST,
    "list_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "finite_number": "有限の数が要ります（{found}）",
}
_LIMITS = {
    "string_too_short": ("min_length", "文字列が短すぎます（{found}）。{limit} 字以上にしてください"),
    "string_too_long": ("max_length", "文字列が長すぎます（{found}、{length} 字）。{limit} 字以内にしてください"),
    "greater_than": ("gt", "値が小さすぎます（{found}）。{limit} より大きい数にしてください"),
    "greater_than_equal": ("ge", "値が小さすぎます（{found}）。{limit} 以上にしてください"),
    "less_than": ("lt", "値が大きすぎます（{found}）。{limit} より小さい数にしてください"),
    "less_than_equal": ("le", "値が大きすぎます（{found}）。{limit} 以下にしてください"),
}
_BOOLEAN_WORDS = frozenset({"yes", "no", "on", "off", "y", "n"})


def message(error: ErrorDetails, node: Node) -> str:
    """The sentence for one pydantic error about the value of `node`."""
    kind, context, found = error["type"], error.get("ctx") or {}, what_is(node)
    if kind in _LIMITS:
        key, sentence = _LIMITS[kind]
        return sentence.format(found=found, limit=_number(context[key]), length=f"{len(node.text):,}")
    if kind in _SENTENCES:
        return _SENTENCES[kind].format(found=found)
    if kind in _WANTED:
        return _WANTED[kind](node, found)
    if kind in ("literal_error", "enum"):
        return _wants_choice(choices(str(context.get("expected", ""))), node, found)
    if kind == "string_pattern_mismatch":
        pattern = str(context.get("pattern", ""))
        return f"書き方が違います（{found}）。{FORMS.get(pattern, f'正しい形は {pattern} ')}です"
    if kind == "value_error":
        return str(context["error"])
    return f"値が正しくありません（{found}）。{_without_address(str(error.get('msg', '')))}"


def what_is(node: Node) -> str:
    """What stands in the file, for the brackets of a message."""
    if isinstance(node.value, dict):
        return "対応表（キー: 値）"
    if isinstance(node.value, list):
        return "リスト"
    if node.value is None:
        return "空の値"
    return shown(node.text)


def maybe(word: str, known: Iterable[str]) -> str:
    """`。もしかして: 「…」` when a known word is near, the list when it is short, else nothing."""
    words = sorted(set(known))
    near = difflib.get_close_matches(word[:80], words, n=1, cutoff=0.6)
    if near:
        return f"。もしかして: {shown(near[0])}"
    if 0 < len(words) <= 12:
        return f"。使えるもの: {'、'.join(words)}"
    return ""


def choices(expected: str) -> list[str]:
    """The allowed values out of pydantic's text `'a', 'b' or 'c'`."""
    return re.findall(r"'([^']*)'", expected) or re.findall(r"[^\s,]+", expected.replace(" or ", " "))


def _wants_text(node: Node, found: str) -> str:
    if isinstance(node.value, bool | int | float) and len(node.text) <= 40:
        return f'文字列が要ります（{found}は文字列でない）。引用符で囲んで "{node.text}" と書いてください'
    return f"文字列が要ります（{found}）"


def _wants_number(name: str, node: Node, found: str) -> str:
    if not isinstance(node.value, str):
        return f"{name}が要ります（{found}）"
    if re.fullmatch(r"[-+]?[0-9][0-9,_ ]*[0-9](\.[0-9]+)?", node.value, re.ASCII) and re.search("[,_ ]", node.value):
        return f"{name}が要ります（{found}）。桁の区切りを除いて書いてください"
    if node.value.strip() and not _is_text(node.value.strip()):
        return f"{name}が要ります（{found}は文字列）。引用符を外してください"
    return f"{name}が要ります（{found}は文字列）。半角の{name}を書いてください"


def _wants_boolean(node: Node, found: str) -> str:
    if isinstance(node.value, str) and node.value.lower() in _BOOLEAN_WORDS:
        return f"真偽値が要ります（{found}は YAML 1.2 では文字列）。true か false と書いてください"
    return f"真偽値が要ります（{found}）。true か false と書いてください"


def _wants_choice(allowed: list[str], node: Node, found: str) -> str:
    listed = "、".join(allowed)
    near = difflib.get_close_matches(node.text[:80], allowed, n=1, cutoff=0.6) if node.text else []
    hint = f"。もしかして: {shown(near[0])}" if near else ""
    return f"決められた値ではありません（{found}）。使えるもの: {listed}{hint}"


def _is_text(text: str) -> bool:
    try:
        return isinstance(scalars.resolve(text), str)
    except scalars.NotANumber:
        return True


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"


def _without_address(text: str) -> str:
    return re.sub(r"https?://\S+", "", text).strip()


_WANTED: dict[str, Callable[[Node, str], str]] = {
    "string_type": _wants_text,
    "bool_type": _wants_boolean,
    "bool_parsing": _wants_boolean,
    **dict.fromkeys(("int_type", "int_from_float", "int_parsing", "int_parsing_size"), partial(_wants_number, "整数")),
    **dict.fromkeys(("float_type", "float_parsing"), partial(_wants_number, "数")),
}
