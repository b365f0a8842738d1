"""Help pages at 80 columns: nothing of what they explain is cut."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.main import get_command

from kumiai.groups import app
from kumiai.help_pages import JapaneseText

WIDTH = 80


def commands(command, name=()) -> Iterator[tuple[tuple[str, ...], object]]:
    yield name, command
    for child, each in getattr(command, "commands", {}).items():
        yield from commands(each, (*name, child))


ALL = dict(commands(get_command(app)))


@pytest.fixture
def page(ask, monkeypatch):
    """The help page of a command on a terminal of 80 columns."""

    def shown(name):
        monkeypatch.setenv("COLUMNS", str(WIDTH))
        monkeypatch.setenv("TERM", "dumb")
        answer = ask(*name, "--help")
        assert answer.code == 0
        return answer.out

    return shown


def texts(command) -> list[str]:
    """Every sentence that the page explains something with."""
    children = [(each.help or "").split("\n\n")[0] for each in getattr(command, "commands", {}).values()]
    return [text for text in (command.help, *children, *(getattr(each, "help", "") for each in command.params)) if text]


def bare(text: str) -> str:
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize("name", ALL, ids=lambda name: " ".join(name) or "kumiai")
def test_nothing_is_cut_at_80_columns(page, name):
    shown, command = page(name), ALL[name]
    # Arguments stand in the first line too.
    metavars = [(each.metavar or "") * (1 + (each.param_type_name == "argument")) for each in command.params]
    assert shown.count("…") == sum(text.count("…") for text in (*texts(command), *metavars))
    assert all(cell_len(line) <= WIDTH for line in shown.splitlines())
    # The explanation is the last column of its table.
    last = "".join(re.split(r"\s{2,}", line.strip("│╭╮╰╯─ "))[-1] for line in shown.splitlines())
    assert [text for text in texts(command) if bare(text) not in bare(last)] == []


def test_there_are_pages_to_look_at():
    assert {("deploy",), ("runbook", "run"), ("license", "count"), ("lab", "up")} <= set(ALL)


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("あいうえお", 6, ["あいう", "えお"]),
        ("あいう。え", 6, ["あい", "う。え"]),
        ("あい（うえ）", 6, ["あい", "（う", "え）"]),
        ("計画の pulumi preview を", 12, ["計画の", "pulumi", "preview を"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("一\n二", 10, ["一", "二"]),
        ("", 10, [""]),
    ],
)
def test_lines_end_where_japanese_may(text, width, lines):
    assert [line.plain for line in JapaneseText(text).wrap(Console(), width)] == lines
