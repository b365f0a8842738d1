"""Damaged folders are refused with one Japanese line that names the file, never with a traceback."""

import json
import math
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from layout import FolderError, checkers, folder, layout_file
from tests.layout import builder, damage

CASES = json.loads((Path(__file__).parents[1] / "cases" / "layout" / "bad_folders.json").read_text(encoding="utf-8"))
DIGITS_AND_MARKS = [b"0", b"9", b"-", b"e9", b'"', b"{", b"}", b"[", b"]", b","]


@pytest.fixture(scope="module")
def contents():
    return builder.Builder(days=3).contents()


def spoil(path: Path, case: dict) -> None:
    """Do to the file what the case says."""
    if "delete" in case:
        path.unlink()
    elif "folder" in case:
        path.unlink()
        path.mkdir()
    elif "text" in case:
        path.write_text(case["text"], encoding="utf-8")
    elif "hex" in case:
        path.write_bytes(bytes.fromhex(case["hex"]))
    elif "keep" in case:
        path.write_bytes(path.read_bytes()[: case["keep"]])
    elif "repeat" in case:
        path.write_text(case["repeat"][0] * case["repeat"][1], encoding="utf-8")
    elif "replace" in case:
        old, new = case["replace"]
        text = path.read_text(encoding="utf-8")
        assert old in text, "the case replaces nothing"
        new = new.replace("DEEP", "[" * 3000 + "]" * 3000).replace("NINES", "9" * 5000)
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
    elif "flip" in case:
        data = bytearray(path.read_bytes())
        for index in range(4, case["flip"]):
            data[index] ^= 0xFF
        path.write_bytes(data)
    elif "copy" in case:
        path.write_bytes((path.parent / case["copy"]).read_bytes())
    else:
        spoil_table(path, case)


def spoil_table(path: Path, case: dict) -> None:
    table = pq.ParquetFile(path).read()
    if "drop_column" in case:
        table = table.drop_columns([case["drop_column"]])
    elif "cast_column" in case:
        name, kind = case["cast_column"]
        target = pa.timestamp("us") if kind.startswith("timestamp") else pa.type_for_alias(kind)
        table = table.set_column(table.schema.get_field_index(name), name, table.column(name).cast(target))
    else:
        name, value = case["set_cell"]
        table = damage.set_cells(table, 0, {name: math.nan if value == "nan" else value})
    pq.write_table(table, path)


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_damaged_folder_is_refused_in_one_line(tmp_path, contents, case):
    folder.write(tmp_path / "plan", contents)
    spoil(tmp_path / "plan" / case["file"], case)
    with pytest.raises(FolderError) as caught:
        folder.read(tmp_path / "plan")
    assert case["message"] in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 600
    assert caught.value.exit_code == 2


def test_there_are_at_least_twenty_cases():
    assert len({case["case"] for case in CASES}) >= 20


def test_absent_folder_and_a_file_in_its_place(tmp_path):
    with pytest.raises(FolderError, match="計画フォルダーがありません"):
        folder.read(tmp_path / "none")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(FolderError, match="ファイルです"):
        folder.read(tmp_path / "file")


def test_a_name_that_no_folder_can_have(tmp_path):
    with pytest.raises(FolderError, match="開けません（File name too long）"):
        folder.read(tmp_path / ("x" * 300))


def test_every_cut_of_layout_json_is_refused(tmp_path, contents):
    folder.write(tmp_path / "plan", contents)
    path = tmp_path / "plan" / "layout.json"
    data = path.read_bytes()
    for cut in range(0, len(data) - 2, 199):
        path.write_bytes(data[:cut])
        with pytest.raises(FolderError):
            layout_file.read_layout(path)


def test_random_bytes_never_make_a_traceback(tmp_path, contents):
    """Whatever happens to a file, reading refuses in one line, or the checkers can judge what was read."""
    plan = folder.write(tmp_path / "plan", contents).path
    sound = {entry.name: entry.read_bytes() for entry in plan.iterdir()}
    rng = random.Random(6)  # noqa: S311  (damage, not secrets)
    read, messages = 0, []
    for _ in range(100):
        name = rng.choice(sorted(sound))
        data = bytearray(sound[name])
        for _ in range(rng.choice([1, 1, 4, 20])):
            place = rng.randrange(len(data))
            length = rng.choice([0, 1, 1, 25])
            data[place : place + length] = rng.choice([b"", bytes([rng.randrange(256)]), rng.choice(DIGITS_AND_MARKS)])
        (plan / name).write_bytes(data)
        try:
            checkers.check(folder.read(plan))
            read += 1
        except FolderError as error:
            messages.append(error.message)
        (plan / name).write_bytes(sound[name])
    assert read > 5
    assert len(messages) > 50
    assert all(message.isprintable() for message in messages)
