"""Slot pools, lines and windows of a trace: pools.csv, lines.csv, windows.csv."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from capacity.simulation.columns import Centre

from .cells import ANY, POSITIVE, Names, Range, identifiers, numbers, texts
from .files import Table, TableFormat
from .mistakes import Mistakes

POOLS = TableFormat("pools", ("id", "slots"))
LINES = TableFormat("lines", ("id", "mib_s"))
WINDOWS = TableFormat("windows", ("calendar", "open_s", "close_s"))

_SLOTS = Range(" 1 以上の整数", 1.0, whole=True)


@dataclass(frozen=True)
class Places:
    """What the centre shares, and the names under which runs and hosts refer to it."""

    centre: Centre
    pools: Names
    lines: Names
    calendars: Names


def read_centre(tables: Mapping[str, Table], mistakes: Mistakes) -> Places:
    """The slot pools, lines and window calendars of a trace."""
    pools, lines, windows = tables[POOLS.stem], tables[LINES.stem], tables[WINDOWS.stem]
    pool_names, line_names = identifiers(pools, mistakes), identifiers(lines, mistakes)
    calendar_texts = texts(windows, "calendar")
    encoded = calendar_texts.dictionary_encode()
    calendar_names = Names(encoded.dictionary)
    calendar = np.array(encoded.indices, dtype=np.int64)
    opens = numbers(windows, "open_s", ANY, mistakes)
    closes = numbers(windows, "close_s", ANY, mistakes)
    mistakes.rows(
        windows,
        np.array([not name for name in calendar_texts.to_pylist()], dtype=np.bool_),
        lambda row: "calendar が空です",
    )
    order = np.argsort(calendar, kind="stable")
    calendar, opens, closes = calendar[order], opens[order], closes[order]
    previous = np.concatenate(([-np.inf], closes[:-1]))
    if len(calendar):
        previous[np.concatenate(([True], calendar[1:] != calendar[:-1]))] = -np.inf
    wrong = np.zeros(len(calendar), dtype=np.bool_)
    wrong[order] = (opens < previous) | (closes <= opens)
    place = np.argsort(order)

    def unordered(row: int) -> str:
        at = int(place[row])
        before = f"{previous[at]} の後に " if np.isfinite(previous[at]) else ""
        return f"時刻が順に並んでいません（{before}{opens[at]} から {closes[at]}）"

    mistakes.rows(windows, wrong, unordered)
    counts = np.bincount(calendar, minlength=len(calendar_names))
    centre = Centre(
        pool_ids=pool_names,
        pool_slots=np.minimum(numbers(pools, "slots", _SLOTS, mistakes), 2.0**40).astype(np.int64),
        line_ids=line_names,
        line_mib_s=numbers(lines, "mib_s", POSITIVE, mistakes),
        calendar_ids=calendar_names,
        window_ptr=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        window_open_s=opens,
        window_close_s=closes,
    )
    return Places(centre, pool_names, line_names, calendar_names)
