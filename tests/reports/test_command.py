"""`kumiai report` draws what is there and says what is not."""

from __future__ import annotations

import io
import json

import openpyxl
import pytest
from typer.testing import CliRunner

from kumiai.groups import app
from kumiai.terminal import RefusedError
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


def test_every_format_is_saved_as_a_result_of_the_folder(tmp_path):
    plan = folders.write(tmp_path / "out")
    answer = CliRunner().invoke(
        app, ["report", str(plan.path), "--format", "html,xlsx,focus,json", "--json"], catch_exceptions=False
    )
    assert answer.exit_code == 0
    assert answer.stderr == ""
    files = json.loads(answer.stdout)["files"]
    assert files.keys() == {"html", "xlsx", "focus", "json"}
    again = folder.read(plan.path)
    data = {name: results.read_result(again, str(path).removeprefix(f"{plan.path}/")) for name, path in files.items()}
    assert "見積内訳書" in openpyxl.load_workbook(io.BytesIO(data["xlsx"])).sheetnames
    assert data["focus"].startswith(b"AllocatedMethodDetails,")
    assert data["html"].startswith(b"<!DOCTYPE html>")
    document = json.loads(data["json"])
    assert list(document)[:3] == ["layout_digest", "format_version", "verdict"]
    assert document["layout_digest"] == plan.layout_digest
    assert document["bill"]["items"][0]["years"][0] == {"year": 2027, "amount_jpy": 4_344_000}
    assert document["ledgers"]["licences"][1]["vendor"] == "Oracle"
    assert document["licences"]["violations"][0]["from"] == "2027-04-01T00:00:00+09:00"


def test_the_files_are_the_same_for_the_same_folder(tmp_path):
    plan = folders.write(tmp_path / "out")
    seen = []
    for _ in range(2):
        CliRunner().invoke(app, ["report", str(plan.path), "--format", "xlsx,focus,json"], catch_exceptions=False)
        seen.append({path.name: path.read_bytes() for path in (plan.path / "report").iterdir()})
    assert seen[0] == seen[1]
    assert seen[0].keys() == {"report.xlsx", "focus.csv", "report.json"}


def test_a_workbook_without_a_bill_has_the_ledgers_and_says_what_is_missing(tmp_path):
    plan = folder.write(tmp_path / "out", folders.contents())
    answer = CliRunner().invoke(app, ["report", str(plan.path), "--format", "xlsx"], catch_exceptions=False)
    assert answer.exit_code == 0
    assert "見積内訳書" in answer.stderr
    assert "kumiai license split" in answer.stderr
    book = openpyxl.load_workbook(plan.path / "report" / "report.xlsx")
    assert "ライセンス台帳" in book.sheetnames
    assert "見積内訳書" not in book.sheetnames


@pytest.mark.parametrize("formats", ["focus", "html,focus"])
def test_focus_without_a_bill_is_refused_and_nothing_is_written(tmp_path, formats):
    plan = folder.write(tmp_path / "out", folders.contents())
    with pytest.raises(RefusedError) as refused:
        CliRunner().invoke(app, ["report", str(plan.path), "--format", formats], catch_exceptions=False)
    assert refused.value.exit_code == 2
    assert len(refused.value.lines) == 1
    assert "kumiai license split" in refused.value.lines[0]
    assert not (plan.path / "report").exists()


@pytest.mark.parametrize("formats", ["pdf", "html,pdf", "", "html,,xlsx", "HTML"])
def test_an_unknown_format_is_refused_in_one_line(tmp_path, formats):
    plan = folders.write(tmp_path / "out")
    with pytest.raises(RefusedError) as refused:
        CliRunner().invoke(app, ["report", str(plan.path), "--format", formats], catch_exceptions=False)
    assert refused.value.exit_code == 2
    assert len(refused.value.lines) == 1
    assert "html, xlsx, focus, json" in refused.value.lines[0]
    assert not (plan.path / "report").exists()


def test_a_changed_bill_is_refused(tmp_path):
    plan = folders.write(tmp_path / "out")
    path = plan.path / "bill.json"
    path.write_bytes(path.read_bytes().replace(b"4344000", b"4344001"))
    with pytest.raises(FolderError, match=r"bill\.json"):
        CliRunner().invoke(app, ["report", str(plan.path), "--format", "xlsx"], catch_exceptions=False)
    assert not (plan.path / "report").exists()
