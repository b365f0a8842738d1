"""Help pages whose Japanese is wrapped at the terminal's width.

The library below breaks lines at spaces alone, and cuts what then is too long with an ellipsis: Japanese has hardly any
spaces, so half of a sentence was lost at 80 columns. Here a line may end between any two letters, but not within a
word or number of Latin letters, nor so that a closing mark begins the next line or an opening one ends this one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import typer
from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.containers import Lines
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from rich.markdown import Markdown

Context: TypeAlias = Any
Formatter: TypeAlias = Any
"""The library's writer of help pages; like `Context` its class is not public."""
_PIECE = re.compile(r"[!-~]+|.", re.DOTALL)
_CLOSING = "、。，．・：；？！）」』】〕〉》”’ー…々ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ)]},.:;?! "
_OPENING = "（「『【〔〈《“‘([{"


class JapaneseText(Text):
    """Text that is wrapped as Japanese is."""

    def wrap(self, console: Console, width: int, **_: object) -> Lines:
        """The lines of at most `width` columns; nothing is cut."""
        found = Lines()
        for paragraph in self.split("\n", allow_blank=True):
            lines = paragraph.divide(list(_ends(paragraph.plain, max(width, 2))))
            for line in lines:
                line.rstrip()
            found.extend(lines)
        return found


class HelpfulCommand(TyperCommand):
    """A command with such a help page."""

    def format_help(self, ctx: Context, formatter: Formatter) -> None:
        """Writes the page."""
        _wrapped(super().format_help, ctx, formatter)


class HelpfulGroup(TyperGroup):
    """A group of commands with such a help page."""

    def format_help(self, ctx: Context, formatter: Formatter) -> None:
        """Writes the page."""
        _wrapped(super().format_help, ctx, formatter)


def wrap_help(app: typer.Typer) -> None:
    """From here on the help pages of all commands that the application has are wrapped."""
    app.info.cls = HelpfulGroup
    for command in app.registered_commands:
        command.cls = HelpfulCommand
    for group in app.registered_groups:
        if group.typer_instance is not None:
            group.cls = HelpfulGroup
            wrap_help(group.typer_instance)


def _wrapped(write: Callable[[Context, Formatter], None], ctx: Context, formatter: Formatter) -> None:
    # Imported here: it takes a tenth of a second, which no other command needs.
    from typer import rich_utils

    make = rich_utils._make_rich_text  # all texts of a help page go through it

    def make_japanese(*, text: str, style: str = "", markup_mode: Literal["rich", "markdown"]) -> Markdown | Text:
        made = make(text=text, style=style, markup_mode=markup_mode)
        return JapaneseText(style=made.style).append_text(made) if isinstance(made, Text) else made

    rich_utils._make_rich_text = make_japanese
    try:
        write(ctx, formatter)
    finally:
        rich_utils._make_rich_text = make


def _ends(text: str, width: int) -> Iterator[int]:
    """Where each line but the last ends."""
    used, at = 0, 0
    for piece in _unbroken(text):
        for part in chop_cells(piece, width) if cell_len(piece) > width else [piece]:
            size = cell_len(part.rstrip())
            if used and used + size > width:
                yield at
                used = 0
            used += cell_len(part)
            at += len(part)


def _unbroken(text: str) -> Iterator[str]:
    """Pieces within which no line may end."""
    held = ""
    for piece in _PIECE.findall(text):
        if held and piece[0] not in _CLOSING and held[-1] not in _OPENING:
            yield held
            held = ""
        held += piece
    if held:
        yield held
