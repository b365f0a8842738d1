"""Every `kumiai …` that a page shows is a command with options that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from kumiai.groups import app

ROOT = Path(__file__).parents[2]
PAGES = [
    path for pattern in ("*.md", "docs/*.md", "infra/*.md", "lab/*.md", "runbooks/*.md", "examples/*/*.md")
    for path in sorted(ROOT.glob(pattern))
]  # fmt: skip
OPTION = re.compile(r"--?[a-z][a-z-]*")
END = re.compile(r"[|;&<>()）（`]|\s#\s|\s#$|　|、|。")
"""Where a command line ends: at the shell's own signs, at a comment, and at Japanese prose."""


def shown(text: str) -> Iterator[tuple[int, str]]:
    """Line number and words after `kumiai` of every command line in code."""
    fenced = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        code = [line] if fenced or line.startswith("    ") else re.findall(r"`([^`]+)`", line)
        for each in code:
            for found in re.finditer(r"(?<![\w/.-])kumiai (?=[a-z-])", each):
                yield number, END.split(each[found.end() :])[0].strip()


def wrong(words: list[str]) -> str:
    """What is wrong with the words of a command line; empty where nothing is."""
    command = get_command(app)
    while words and getattr(command, "commands", None):
        name = words.pop(0)
        if OPTION.fullmatch(name):
            return "" if name in ("--help", "--install-completion", "--show-completion") else f"no option {name}"
        if name not in command.commands:
            return f"no command {name}"
        command = command.commands[name]
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)} | {"--help"}
    if "--" in words:
        words = words[: words.index("--")]
    unknown = [found[0] for word in words if (found := OPTION.match(word)) and found[0] not in known]
    return f"no option {' '.join(unknown)}" if unknown else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page_exist(page):
    lines = [(number, words, wrong(words.split())) for number, words in shown(page.read_text(encoding="utf-8"))]
    assert [f"{number}: kumiai {words}: {problem}" for number, words, problem in lines if problem] == []


def test_what_is_not_there_is_found():
    text = "```sh\n$ kumiai plan a -o b --kep c | less\n# kumiai run x\n```\n`kumiai deploy --lab` と kumiai foo\n"
    found = [(number, wrong(words.split())) for number, words in shown(text)]
    assert found == [(2, "no option --kep"), (3, "no command run"), (5, "")]


def test_there_is_something_to_look_at():
    assert sum(len(list(shown(page.read_text(encoding="utf-8")))) for page in PAGES) > 150
