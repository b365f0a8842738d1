"""HTML from parts: every text is escaped here, so no name of an estate can become markup."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable


class Markup(str):
    """Text that is HTML already. Only this module and the chart renderer make it."""

    __slots__ = ()


Part = str | Markup | None
VOID = {"meta", "br", "hr", "col"}


def visible(text: str) -> str:
    """The text with control and direction characters shown by their code: they could hide or reorder what is read."""
    return "".join(
        f"\\u{ord(char):04x}" if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else char
        for char in text.replace("\n", " ").replace("\t", " ")
    )


def escaped(part: Part) -> Markup:
    """A part as HTML: markup as it is, text escaped, None as nothing."""
    if part is None:
        return Markup("")
    return part if isinstance(part, Markup) else Markup(html.escape(visible(part)))


def tag(name: str, /, *parts: Part, **attributes: str | int | None) -> Markup:
    """An element. Attribute names: `_` at the end is dropped, inner `_` is `-`; None leaves the attribute out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(parts)}</{name}>")


def join(parts: Iterable[Part]) -> Markup:
    """Parts one after the other."""
    return Markup("".join(escaped(part) for part in parts))


def table(
    caption: Part,
    heads: Iterable[str],
    rows: Iterable[Iterable[Part]],
    *,
    numbers: Iterable[int] = (),
    class_: str | None = None,
) -> Markup:
    """A table with a caption; the first cell of a row is its head, columns in `numbers` are aligned right."""
    right = set(numbers)
    head = join(tag("th", text, scope="col", class_="n" if i in right else None) for i, text in enumerate(heads))
    body = join(
        tag(
            "tr",
            *(
                tag("th" if i == 0 else "td", cell, scope="row" if i == 0 else None, class_="n" if i in right else None)
                for i, cell in enumerate(row)
            ),
        )
        for row in rows
    )
    return tag(
        "div",
        tag("table", tag("caption", caption), tag("thead", tag("tr", head)), tag("tbody", body), class_=class_),
        class_="scroll",
    )
