"""Paths that cannot be opened, or that never end, given to commands: a line, exit code 2, nothing waits."""

import os
import resource

import pytest

LONG = "a" * 5000

LONG_PATHS = {
    "count": ("license", "count", LONG),
    "count rules": ("license", "count", "{layout}", "--rules", LONG),
    "count prices": ("license", "count", "{layout}", "--prices", f"{LONG}.yaml"),
    "compare": ("license", "compare", LONG, LONG),
    "split": ("license", "split", LONG),
    "report": ("report", LONG),
}


@pytest.fixture
def layout(lab_plan):
    return lab_plan / "layout.json"


@pytest.mark.parametrize("name", LONG_PATHS)
def test_a_name_longer_than_the_system_allows(ask, layout, name):
    answer = ask(*(str(part).format(layout=layout) for part in LONG_PATHS[name]))
    assert (answer.code, answer.out) == (2, "")
    assert "開けません（File name too long）" in answer.err
    assert len(answer.err.splitlines()) == 1
    assert len(answer.err) < 2100


@pytest.mark.parametrize("command", [("license", "count"), ("license", "compare")])
def test_a_pipe_or_a_device_is_no_layout(ask, tmp_path, command):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", "/dev/zero"):
        answer = ask(*command, place, *([place] if command[1] == "compare" else []))
        assert (answer.code, answer.out) == (2, "")
        assert "通常のファイルではありません" in answer.err


def test_a_layout_file_without_end_is_not_read(ask, tmp_path):
    place = tmp_path / "layout.json"
    with place.open("wb") as file:
        file.truncate(8 * 1024**3)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = ask("license", "count", place)
    assert (answer.code, answer.out) == (2, "")
    assert "ファイルが大きすぎます（8,589,934,592 バイト）" in answer.err
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 512 * 1024
