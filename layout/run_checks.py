"""Whether `runs.parquet` and `online.parquet` hold what a planner can have written: a table that somebody changed is
refused in words before anything is computed from it."""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from .errors import FolderError

_RUN_ID = r"^[^/]+/[^/]+/[^/]+/[0-9]{4}-[0-9]{2}-[0-9]{2}(#[1-9][0-9]{0,8})?$"
_FIRST, _LAST = "1900-01-01T00:00:00+0900", "2900-01-01T00:00:00+0900"
_MOST = 1e12
"""Seconds, MiB or cores: beyond any work, and small enough that every sum of them is a date or a number."""


def require_runs(runs: pa.Table, name: str) -> None:
    """Raises FolderError for the first run without a name of its own, with times out of order or unusable numbers."""
    ids = runs["run_id"]
    _require(ids, pc.match_substring_regex(ids, _RUN_ID), name, "run_id は「団体/業務/ジョブ/日付」の形です")
    days = pc.utf8_slice_codeunits(pc.list_element(pc.split_pattern(ids, "/"), 3), 0, 10)
    for day in days.unique().to_pylist():
        if not _is_date(day):
            _require(ids, pc.not_equal(days, day), name, f"run_id の日付 {day} は実在しません")
    counts = ids.value_counts()
    again = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(again):
        raise FolderError(f"{name}: run_id {_shown(again[0]['values'].as_py())} が 2 行以上あります")
    for column in ("release", "earliest_start", "start", "end", "deadline", "window_start", "window_end"):
        _require(ids, _usual(runs[column]), name, f"{column} は 1900 年から 2899 年までの日時です")
    _require(ids, pc.less_equal(runs["start"], runs["end"]), name, "end が start より前です")
    for column in ("fixed_s", "cpu_s", "io_mib", "work_cv"):
        _require(ids, _between(runs[column], 0.0), name, f"{column} は 0 から {_MOST:g} までの数です")
    _require(ids, _between(runs["max_cores"], 1e-9), name, f"max_cores は 0 より大きく {_MOST:g} までの数です")
    after = runs["after"].combine_chunks()
    owners = runs["run_id"].combine_chunks().take(pc.list_parent_indices(after))
    for column in ("lag_s", "lag_business_h"):
        lags = pc.struct_field(pc.list_flatten(after), column)
        _require(owners, _between(lags, 0.0), name, f"after の {column} は 0 から {_MOST:g} までの数です")


def require_online(online: pa.Table, name: str) -> None:
    """Raises FolderError for the first online load with times out of order or unusable numbers."""
    vms = online["vm"]
    for column in ("from", "until"):
        _require(vms, _usual(online[column]), name, f"{column} は 1900 年から 2899 年までの日時です")
    _require(vms, pc.less(online["from"], online["until"]), name, "until が from より後ではありません")
    _require(vms, _between(online["cores"], 0.0), name, f"cores は 0 から {_MOST:g} までの数です")


def _require(named: pa.ChunkedArray, holds: pa.ChunkedArray, name: str, right: str) -> None:
    wrong: npt.NDArray[np.bool_] = ~np.asarray(holds.to_numpy(zero_copy_only=False), dtype=np.bool_)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise FolderError(f"{name}: {row + 1} 行目（{_shown(named[row].as_py())}）: {right}")


def _usual(times: pa.ChunkedArray) -> pa.ChunkedArray:
    first, last = (pa.scalar(text).cast(pa.timestamp("us", tz="Asia/Tokyo")) for text in (_FIRST, _LAST))
    return pc.and_(pc.greater_equal(times, first), pc.less(times, last))


def _between(values: pa.ChunkedArray, least: float) -> pa.ChunkedArray:
    return pc.and_(pc.greater_equal(values, least), pc.less_equal(values, _MOST))


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _shown(text: str) -> str:
    visible = "".join(letter if letter.isprintable() else "?" for letter in text)
    return visible if len(visible) <= 60 else f"{visible[:40]}…{visible[-16:]}"
