"""Every procedure tells people the same things in the same order, and the index of the folder names what is there."""

from __future__ import annotations

import re

import pytest

from runbooks.text.library import FOLDER, Library

LIBRARY = Library()
TOLD = ("目的", "使うとき", "決める人", "影響の範囲", "かかる時間", "戻し方")
PLAIN = re.compile(r"(?:である|する|しない|できる|行う|ない|なる|いる|ある|める|移す|消す|戻す)。")
"""How a sentence ends in the style that the procedures are not written in."""


def introduction(name: str) -> str:
    """The prose between the title and the first block or heading."""
    body = re.split(r"^# .*$", LIBRARY.get(name).text, maxsplit=1, flags=re.MULTILINE)[1]
    return re.split(r"^(?:```|## )", body, maxsplit=1, flags=re.MULTILINE)[0]


def told(name: str) -> dict[str, str]:
    """Heading -> what stands behind it, in the order of the file."""
    parts = re.split(r"^\*\*(.+?)\*\*　", introduction(name), flags=re.MULTILINE)
    return {heading: text.strip() for heading, text in zip(parts[1::2], parts[2::2], strict=True)}


@pytest.mark.parametrize("name", LIBRARY.names())
def test_it_tells_what_a_binder_needs(name):
    found = told(name)
    assert [heading for heading in found if heading in TOLD] == list(TOLD)
    assert all(found[heading] for heading in TOLD)


@pytest.mark.parametrize("name", LIBRARY.names())
def test_its_time_says_whether_anybody_measured_it(name):
    assert re.search(r"仮定|見積もり|実測", told(name)["かかる時間"])


@pytest.mark.parametrize("name", LIBRARY.names())
def test_it_is_written_in_one_style(name):
    assert PLAIN.findall(introduction(name)) == []


@pytest.mark.parametrize("name", LIBRARY.names())
def test_its_parts_are_told_apart(name):
    text = LIBRARY.get(name).text
    step = text.index("```yaml step")
    reading = min((text.index(kind) for kind in ("```yaml fact", "```yaml precondition") if kind in text), default=step)
    headings = [(found.start(), found[1]) for found in re.finditer(r"^## (.+)$", text, flags=re.MULTILINE)]
    before_reading = [heading for at, heading in headings if at < reading]
    before_steps = [heading for at, heading in headings if at < step]
    assert before_reading
    assert before_reading[0] in ("調べること", "前提条件", "調べることと前提条件")
    assert before_steps[-1] == "手順"


def test_the_index_of_the_folder_names_all_of_it():
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    modules = [path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__"]
    folders = [f"{path.parent.name}/" for path in FOLDER.glob("*/__init__.py")]
    assert [name for name in (*LIBRARY.names(), *modules, *folders) if f"`{name}`" not in index] == []
