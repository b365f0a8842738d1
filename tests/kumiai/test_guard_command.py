"""`kumiai guard`: files and standard input, exit codes, and one line for what is no preview."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra import previews

HOUSE = Path(__file__).resolve().parents[2]


def kumiai(*words, data=None):
    return subprocess.run(
        [sys.executable, "-m", "kumiai", *map(str, words)], input=data, capture_output=True, cwd=HOUSE, timeout=120,
        check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    case = next(case for case in previews.cases() if case["name"] == "memory")
    return previews.edited_plan(tmp_path_factory.mktemp("guard") / "plan", case)


@pytest.fixture(scope="module")
def document(plan):
    return previews.document("memory.json", plan)


def test_a_refusal_from_standard_input(plan, document):
    done = kumiai("guard", "--plan", plan.path, "--offline", data=document)
    assert done.returncode == 3, done.stderr.decode()
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "判定：拒否 — スタック「t00」に 1 件、仮想サーバ 1 台"
    assert "t00-s00-ap-01" in lines[1]
    assert "resize-memory" in lines[1]
    assert "--offline" in done.stderr.decode()


def test_json_from_a_file(plan, document, tmp_path):
    (tmp_path / "preview.json").write_bytes(document)
    done = kumiai("guard", tmp_path / "preview.json", "--plan", plan.path, "--offline", "--json")
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert found["format_version"] == "1.0"
    assert found["refused"] is True
    assert found["refusals"][0]["runbook"] == "resize-memory"


def test_nothing_to_refuse(tmp_path):
    plan = previews.edited_plan(tmp_path / "plan", {"name": "same"})
    done = kumiai("guard", "-", "--plan", plan.path, "--offline", data=previews.document("same.ndjson", plan))
    assert done.returncode == 0, done.stdout.decode()
    assert done.stdout.decode().startswith("判定：実行してよい")


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 50_000, b'{"steps": []}'])
def test_what_is_no_preview_is_one_line(plan, data):
    done = kumiai("guard", "--plan", plan.path, "--offline", data=data)
    assert done.returncode == 2
    assert done.stdout == b""
    assert len(done.stderr.decode().splitlines()) == 1
    assert done.stderr.decode().startswith("標準入力: ")


@pytest.mark.parametrize("words", [["none.json", "--plan", "x"], ["-"], ["\n", "--plan", "x"]])
def test_wrong_use_is_one_line(words, tmp_path):
    done = kumiai("guard", *words, data=b"")
    assert done.returncode == 2
    assert len(done.stderr.decode().splitlines()) == 1
