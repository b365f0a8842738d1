"""`kumiai report` draws what is there and says what is not."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from kumiai.groups import app
from layout import FolderError, folder, results
from tests.reports import folders


def test_the_report_is_saved_as_a_result_of_the_folder(tmp_path):
    plan = folders.write(tmp_path / "out")
    answer = CliRunner().invoke(app, ["report", str(plan.path)], catch_exceptions=False)
    assert answer.exit_code == 0
    assert answer.stdout.splitlines()[0] == plan.run.verdict
    page = results.read_result(folder.read(plan.path), "report/report.html")
    assert page.startswith(b"<!DOCTYPE html>")
    assert answer.stderr == ""


def test_missing_results_are_said_on_stderr(tmp_path):
    plan = folder.write(tmp_path / "out", folders.contents())
    answer = CliRunner().invoke(app, ["report", str(plan.path)], catch_exceptions=False)
    assert answer.exit_code == 0
    assert "kumiai simulate" in answer.stderr
    assert "kumiai license count" in answer.stderr


def test_a_result_of_another_layout_leaves_the_old_report(tmp_path):
    plan = folders.write(tmp_path / "out")
    CliRunner().invoke(app, ["report", str(plan.path)], catch_exceptions=False)
    path = plan.path / "report" / "report.html"
    path.write_bytes(b"old")
    (plan.path / "licences.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FolderError):
        CliRunner().invoke(app, ["report", str(plan.path)], catch_exceptions=False)
    assert path.read_bytes() == b"old"
