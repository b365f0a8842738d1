"""A short command that reads a table must not die of the library's threads while it ends."""

from __future__ import annotations

import subprocess
import sys

READ = """
import pathlib
import pyarrow as pa
from layout import parquet
schema = pa.schema([(name, pa.int64()) for name in "abcdefgh"])
data = parquet.to_bytes(pa.table({name: range(1000) for name in "abcdefgh"}, schema), schema, "t")
before = len(list(pathlib.Path("/proc/self/task").iterdir()))
assert parquet.from_bytes(data, schema, "t").num_rows == 1000
print(len(list(pathlib.Path("/proc/self/task").iterdir())) - before)
"""


def test_reading_a_table_starts_no_threads():
    done = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n", "")
