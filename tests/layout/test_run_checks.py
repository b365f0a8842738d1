"""Tables of runs and online load that somebody changed: refused in words by whoever builds on the plan."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import estate
import planning
from layout import folder
from layout.errors import FolderError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    destination = tmp_path_factory.mktemp("planned") / "lab"
    planning.plan(estate.load(ROOT / "examples" / "lab" / "estate.yaml"), destination)
    return destination


@pytest.fixture
def change(planned):
    """Writes a table of the plan with one column changed; it is put back afterwards."""
    kept = {name: (planned / name).read_bytes() for name in ("runs.parquet", "online.parquet")}

    def write(name, column, values):
        table = pq.read_table(planned / name)
        found = table[column].to_pylist()
        changed = pa.array(values(found), table.schema.field(column).type)
        pq.write_table(table.set_column(table.schema.get_field_index(column), column, changed), planned / name)

    yield write
    for name, data in kept.items():
        (planned / name).write_bytes(data)


def first(value):
    return lambda found: [value, *found[1:]]


def test_the_plan_as_written_is_accepted(planned):
    assert len(folder.read_planned(planned).runs)


@pytest.mark.parametrize(
    ("name", "column", "values", "said"),
    [
        ("runs.parquet", "run_id", first("x"), "1 行目（x）: run_id は「団体/業務/ジョブ/日付」の形です"),
        ("runs.parquet", "run_id", first("a/b/c/2027-02-30"), "run_id の日付 2027-02-30 は実在しません"),
        ("runs.parquet", "run_id", lambda found: [found[1], *found[1:]], "が 2 行以上あります"),
        ("runs.parquet", "fixed_s", first(1e308), "fixed_s は 0 から 1e+12 までの数です"),
        ("runs.parquet", "cpu_s", first(-1.0), "cpu_s は 0 から 1e+12 までの数です"),
        ("runs.parquet", "work_cv", first(1e308), "work_cv は 0 から 1e+12 までの数です"),
        ("runs.parquet", "max_cores", first(0.0), "max_cores は 0 より大きく"),
        ("runs.parquet", "start", first(2**62), "start は 1900 年から 2899 年までの日時です"),
        (
            "runs.parquet",
            "after",
            first([{"run": "x", "lag_s": -1.0, "lag_business_h": 0.0}]),
            "after の lag_s は 0 から",
        ),
        ("online.parquet", "cores", first(-1.0), "cores は 0 から 1e+12 までの数です"),
        ("online.parquet", "until", first(0), "until が from より後ではありません"),
    ],
)
def test_what_no_planner_writes_is_refused(planned, change, name, column, values, said):
    change(name, column, values)
    with pytest.raises(FolderError) as refused:
        folder.read_planned(planned)
    assert str(refused.value).startswith(f"{name}: ")
    assert said in str(refused.value)
