"""Broken estates as data: each gives exactly the problems it names, with place, exit code and words; never more.

`KUMIAI_UPDATE_GOLDEN=1 pytest tests/estate/test_broken.py` writes the golden messages anew.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from estate import EstateErrors, Problem, check, load, read_document
from estate.base_records import Record

CASES = Path(__file__).parents[1] / "cases" / "estate"
GOLDEN = Path(__file__).parents[1] / "golden" / "estate" / "broken.txt"
BROKEN = sorted((CASES / "broken").glob("*.yaml"))
EXPECTED = re.compile(r"^# expect ([23]) (catalogue )?([0-9]+):([0-9]+) (.+)$", re.MULTILINE)

TRAPS = {
    "wrong types": "type-number-quoted",
    "unknown keys": "unknown-keys",
    "the 22:30 trap": "trap-2230",
    "the NO trap": "trap-no",
    "duplicate keys": "duplicate-keys",
    "wrong check digit": "check-digit",
    "unknown tenant": "unknown-tenant",
    "unknown system": "unknown-system",
    "cyclic precedence": "catalogue-precedence-cyclic",
    "relative dates in a circle": "relative-circle-in-events",
    "a window shorter than its job": "job-longer-than-window",
    "a VM larger than any host": "vm-memory-larger-than-any-host",
    "zero hosts": "zero-hosts",
    "an RRULE that never fires": "rrule-never-fires",
    "population 0": "population-zero",
    "NaN": "numbers-not-finite",
    "10 MB files": "ten-megabytes",
    "binary files": "program",
    "a missing file": "missing-file",
    "tabs": "tabs",
    "alias bombs": "alias-bomb",
    "YAML tags": "tag-python",
    "3,000 levels of nesting": "nested-lists",
}
FITS_NOT = {
    "zero-hosts",
    "vm-memory-larger-than-any-host",
    "vm-disk-larger-than-any-host",
    "vm-busy-vcpu-larger-than-any-host",
    "job-longer-than-window",
    "job-without-rerun-room",
    "all-hosts-are-reserve",
    "site-without-hosts",
    "catalogue-window-never-open",
}


class Generated(Record):
    """A broken estate that a function below makes."""

    name: str
    make: str
    count: int
    line: int
    column: int
    words: str


class GeneratedCases(Record):
    """The file generated.yaml."""

    cases: tuple[Generated, ...]


GENERATED = read_document(CASES / "generated.yaml", GeneratedCases).cases


MAKERS: dict[str, Callable[[Path, int], object]] = {
    "padded": lambda path, n: path.write_bytes(b"format: 1\n" + b"#" * (n - 10)),
    "zeros": lambda path, n: path.write_bytes(b"\0" * n),
    "nul_after_a_line": lambda path, n: path.write_bytes(b"format: 1\nname: \0\n" * n),
    "elf": lambda path, n: path.write_bytes(b"\x7fELF\x02\x01\x01" + b"\0" * 9 * n),
    "png": lambda path, n: path.write_bytes(b"\x89PNG\r\n\x1a\n" * n),
    "shift_jis": lambda path, n: path.write_bytes("format: 1\nname: 日田市\n".encode("shift_jis") * n),
    "utf_16": lambda path, n: path.write_bytes("format: 1\n".encode("utf-16") * n),
    "missing": lambda path, n: None,
    "folder": lambda path, n: path.mkdir(),
    "pipe": lambda path, n: os.mkfifo(path),
    "device": lambda path, n: path.symlink_to("/dev/zero"),
    "below_a_file": lambda path, n: path.parent.write_bytes(b""),
    "nested_lists": lambda path, n: path.write_text("note: " + "[" * n + "]" * n),
    "nested_open": lambda path, n: path.write_text("[" * n),
    "nested_mappings": lambda path, n: path.write_text("".join(" " * i + "a:\n" for i in range(n // 10)) + "a: 1\n"),
    "nested_items": lambda path, n: path.write_text("- " * n + "x"),
    "nested_aliases": lambda path, n: path.write_text(
        "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, n))
    ),
    "items": lambda path, n: path.write_text("note: [" + "1," * n + "]"),
    "digits": lambda path, n: path.write_text("fiscal_year: " + "9" * n),
    "wrong_items": lambda path, n: path.write_text("hosts: [" + "1," * n + "]"),
    "long_key": lambda path, n: path.write_text("? " + "k" * n + "\n: 1\n"),
}


def _line(problem: Problem, case: str) -> str:
    name = os.path.relpath(problem.file, CASES / "broken")
    return f"{case} {problem.exit_code} {str(problem).replace(problem.file, name)}"


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_broken_estate_gives_exactly_its_problems(path):
    expected = EXPECTED.findall(path.read_text())
    assert expected, "a case names what it expects in its first lines"
    problems = check(path).problems
    found = [
        (str(p.exit_code), "" if Path(p.file) == path else "catalogue ", str(p.line), str(p.column)) for p in problems
    ]
    assert sorted(found) == sorted(entry[:4] for entry in expected)
    for entry in expected:
        here = [p.message for p in problems if (str(p.line), str(p.column)) == (entry[2], entry[3])]
        assert any(entry[4] in message for message in here), (entry, here)
    with pytest.raises(EstateErrors) as caught:
        load(path)
    assert caught.value.exit_code == (3 if path.stem in FITS_NOT else 2)
    assert caught.value.problems == problems


def test_messages_are_those_of_the_golden_file():
    lines = [_line(problem, path.stem) for path in BROKEN for problem in check(path).problems]
    text = "\n".join(lines) + "\n"
    if os.environ.get("KUMIAI_UPDATE_GOLDEN") == "1":
        GOLDEN.parent.mkdir(parents=True, exist_ok=True)
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")
    assert all(line.isprintable() for line in lines)
    assert "pydantic" not in text
    assert "http" not in text


@pytest.mark.parametrize("case", GENERATED, ids=lambda case: case.name)
def test_a_generated_estate_gives_its_one_problem(case, tmp_path):
    path = tmp_path / case.name / "estate.yaml"
    if case.make != "below_a_file":
        path.parent.mkdir()
    MAKERS[case.make](path, case.count)
    problems = check(path).problems
    there = [p for p in problems if (p.line, p.column) == (case.line, case.column) and case.words in p.message]
    assert len(there) == 1, [str(problem)[:200] for problem in problems[-3:]]
    assert all(len(str(problem)) < 600 for problem in problems)
    assert len(problems) <= 1001
    assert {problem.exit_code for problem in problems} == {2}


def test_every_trap_has_its_case():
    there = {path.stem for path in BROKEN} | {case.name for case in GENERATED}
    assert set(TRAPS.values()) <= there
    assert there >= FITS_NOT
    assert len(there) >= 40


def test_every_maker_is_used():
    assert {case.make for case in GENERATED} == set(MAKERS)
