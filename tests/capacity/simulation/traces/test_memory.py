"""What a trace takes is known from its files, before it is read."""

import pyarrow as pa
import pyarrow.parquet as pq

from capacity.simulation.traces import memory


def test_lines_and_bytes_are_counted(tmp_path):
    empty = memory.needed(tmp_path)
    assert empty == memory.needed(tmp_path / "absent") == memory.BASE_BYTES
    (tmp_path / "runs.csv").write_text("id\n" + 1000 * "a\n", encoding="utf-8")
    rows = memory.needed(tmp_path) - empty
    assert rows == 1001 * memory.BYTES_PER_ROW + 2003 * memory.BYTES_PER_BYTE
    (tmp_path / "vms.csv").write_text("id\n", encoding="utf-8")
    assert memory.needed(tmp_path) > empty + rows


def test_parquet_counts_by_what_it_says_of_itself(tmp_path):
    table = pa.table({"id": [str(number) for number in range(5000)]})
    pq.write_table(table, tmp_path / "runs.parquet")
    assert memory.needed(tmp_path) > memory.BASE_BYTES + 5000 * memory.BYTES_PER_ROW


def test_what_cannot_be_read_is_left_to_the_reader(tmp_path):
    (tmp_path / "runs.parquet").write_bytes(b"PAR1 no table")
    (tmp_path / "demand.csv").mkdir()
    assert memory.needed(tmp_path) == memory.BASE_BYTES
