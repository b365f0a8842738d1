"""The workbook in a real spreadsheet program: it opens, and what the program calculates is what we wrote."""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from pathlib import Path

import openpyxl
import pytest

from reports import workbook
from reports.record import gather
from tests.reports import folders

pytestmark = pytest.mark.e2e

POISON = "-987654321"
# The program trusts the values of a file from elsewhere unless it is told to calculate always.
ALWAYS = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load"><prop oor:name="OOXMLRecalcMode" oor:op="fuse">
<value>0</value></prop></item></oor:items>"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return workbook.render(gather(folders.write(tmp_path_factory.mktemp("plan") / "out")))


@pytest.fixture
def convert(tmp_path):
    """Has the program open a file and save it as another kind; answers the new file."""
    profile = tmp_path / "profile"
    (profile / "user").mkdir(parents=True)
    (profile / "user" / "registrymodifications.xcu").write_text(ALWAYS, encoding="utf-8")

    def run(data: bytes, kind: str) -> Path:
        source, target = tmp_path / "in" / "report.xlsx", tmp_path / "out"
        source.parent.mkdir(exist_ok=True)
        source.write_bytes(data)
        done = subprocess.run(
            ["soffice", f"-env:UserInstallation={profile.as_uri()}", "--headless", "--norestore", "--nologo",
             "--convert-to", kind, "--outdir", str(target), str(source)],
            capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        path = target / f"report.{kind.split(':', maxsplit=1)[0]}"
        assert path.is_file(), done.stderr
        return path

    return run


def poisoned(data: bytes) -> bytes:
    """The same workbook with a wrong value beside every formula."""
    buffer = io.BytesIO()
    changed = 0
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.startswith("xl/worksheets/sheet"):
                content, count = re.subn(rb"(</f><v>)[^<]*", rb"\g<1>" + POISON.encode(), content)
                changed += count
            new.writestr(name, content)
    assert changed > 100
    return buffer.getvalue()


def formulas(data: bytes) -> dict[tuple[str, str], float]:
    """Values of the cells that hold formulas."""
    texts = openpyxl.load_workbook(io.BytesIO(data))
    values = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
    return {
        (sheet.title, cell.coordinate): values[sheet.title][cell.coordinate].value
        for sheet in texts
        for row in sheet.iter_rows()
        for cell in row
        if cell.data_type == "f"
    }


def test_it_calculates_what_we_wrote(data, convert):
    ours = formulas(data)
    assert set(formulas(poisoned(data)).values()) == {int(POISON)}
    theirs = formulas(convert(poisoned(data), "xlsx").read_bytes())
    assert theirs.keys() == ours.keys()
    wrong = {
        place: (ours[place], theirs[place]) for place in ours if theirs[place] != pytest.approx(ours[place], rel=1e-12)
    }
    assert wrong == {}


def test_it_opens_every_sheet_and_prints_them(data, convert):
    pdf = convert(data, "pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 20_000
    again = openpyxl.load_workbook(convert(data, "xlsx"), data_only=True)
    assert again.sheetnames == openpyxl.load_workbook(io.BytesIO(data)).sheetnames
    cells = [(sheet.title, cell) for sheet in again for row in sheet.iter_rows() for cell in row]
    assert [(title, cell.coordinate) for title, cell in cells if cell.data_type == "e"] == []
