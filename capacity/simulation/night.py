"""One night of a plan folder: from noon of a day to noon of the next, so that every batch window lies in one night."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa

from layout.errors import FolderError
from layout.folder import FolderContents

from .settings import Settings
from .week import EARLIEST, LATEST, TOKYO, Week, read_span

NIGHT_S = 86_400.0
_JST_TO_NOON_US = (9 - 12) * 3_600_000_000
_DAY_US = 86_400_000_000


def busiest_night(folder: FolderContents) -> date:
    """The day on whose night the most batch work is planned to start, the first of equals. Raises FolderError."""
    if folder.runs.num_rows == 0:
        raise FolderError("runs.parquet: 処理が 1 件もないため、最も混む夜が決まりません")
    start_us = folder.runs["start"].cast(pa.int64()).to_numpy()
    nights = (start_us + _JST_TO_NOON_US) // _DAY_US
    found, rows = np.unique(nights, return_inverse=True)
    work = np.bincount(rows, weights=folder.runs["cpu_s"].to_numpy())
    return date(1970, 1, 1) + timedelta(days=int(found[int(np.argmax(work))]))


def read_night(folder: FolderContents, day: date, settings: Settings | None = None) -> Week:
    """The simulation input of the night that begins on `day`, noon to noon, as `week.read_week` reads a week.

    Raises FolderError for a night without runs, or runs of VMs that have no host.
    """
    about = f"{day.isoformat()} の夜"
    if not EARLIEST < day < LATEST:
        raise FolderError(f"{about}には処理がありません")
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=TOKYO)
    return read_span(folder, noon, NIGHT_S, about, settings or Settings(), night=day)
