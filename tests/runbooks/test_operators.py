"""One ID per person: names of roles and shifts are refused, those of people are not, nor does an example use one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runbooks.errors import RunbookError
from runbooks.running import operators
from tests import centre

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "name",
    ["root", "admin", "kiban", "kiban-01", "kiban01", "operator", "operator2", "ops", "ops-team", "night.shift",
     "demo-01", "unyo.tantou", "test-user-3", "admin@example.lg.jp", "dba", "center_ops"],
)  # fmt: skip
def test_shared_names_are_refused_in_japanese(name):
    with pytest.raises(RunbookError, match=r"共用の名前です.*個人の ID を指定"):
        operators.require(name)


@pytest.mark.parametrize(
    "name", ["yamada.h", "sato.k", "suzuki_t", "h.yamada", "yamada.h@city.example.lg.jp", "tanaka2"]
)
def test_peoples_names_are_taken(name):
    assert operators.require(name) == name


@pytest.mark.parametrize("name", ["", None, "Yamada", "01", "yamada h", "a" * 65, "山田", "-x", "$(reboot)"])
def test_other_forms_are_refused(name):
    with pytest.raises(RunbookError):
        operators.require(name)


def test_examples_and_documents_name_people():
    written = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "infra").rglob("*.md")]
    written += [path for path in (ROOT / "examples").rglob("*") if path.suffix in {".sh", ".md"}]
    names = [name for path in written for name in re.findall(r"--operator[ =]([a-z][\w.@-]*)", path.read_text("utf-8"))]
    assert names
    for name in [*names, centre.OPERATOR]:
        assert operators.require(name) == name
