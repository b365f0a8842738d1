"""Measured CPU load of VMs: `sadf -d` of sysstat, or a CSV of Prometheus."""

from __future__ import annotations

import csv
import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from capacity.simulation.traces.files import read_bytes
from capacity.simulation.traces.mistakes import Mistakes
from estate.clock import JST

from .job_logs import moment, printable

_RESTART = re.compile(r"LINUX-RESTART\s*\(([0-9]{1,5}) CPU\)")
_TIME_COLUMNS = ("time", "timestamp", "date")
_NAME_COLUMNS = ("instance", "vm", "host", "hostname")


@dataclass
class LoadSeries:
    """Load of one VM: cores wanted at each time (Japan's clock)."""

    name: str
    at: list[datetime] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class LoadRecord:
    """The series of one file."""

    series: tuple[LoadSeries, ...]
    source: str
    kind: str


def read_sysstat(path: Path, vcpu: float | None = None) -> LoadRecord:
    """CPU load in the output of `sadf -d`: all that is not idle, waiting for storage included in idle.

    Steal counts as load: the VM wanted it. Without `vcpu` the file must hold sysstat's restart line, which names the
    number of CPUs. Raises TraceError with every mistake and its line.
    """
    mistakes = Mistakes()
    lines, source = _lines(path, mistakes)
    columns: dict[str, int] = {}
    cpus: dict[str, float] = {}
    series: dict[str, LoadSeries] = {}
    for number, text in enumerate(lines, start=1):
        cells = [cell.strip() for cell in text.lstrip("# ").split(";")]
        restart = _RESTART.search(text)
        if text.startswith("#"):
            columns = {name: position for position, name in enumerate(cells)}
        elif restart:
            cpus[cells[0]] = float(restart[1])
        elif text.strip() and "CPU" in columns and "%idle" in columns:
            _sysstat_row(path.name, number, cells, columns, cpus, vcpu, series, mistakes)
        elif text.strip() and not columns:
            mistakes.line(path.name, number, "sadf -d の見出し（# hostname;interval;timestamp;CPU;…）がありません")
            break
    return _record(path.name, series, source, "sysstat", mistakes)


def _sysstat_row(
    name: str,
    number: int,
    cells: list[str],
    columns: Mapping[str, int],
    cpus: Mapping[str, float],
    vcpu: float | None,
    series: dict[str, LoadSeries],
    mistakes: Mistakes,
) -> None:
    if len(cells) < len(columns):
        mistakes.line(name, number, f"欄が {len(cells)} 個です。正しくは {len(columns)}")
        return
    host = cells[columns.get("hostname", 0)]
    if cells[columns["CPU"]] not in ("-1", "all"):
        return
    at = _time(cells[columns["timestamp"]]) if "timestamp" in columns else None
    idle = _number(cells[columns["%idle"]])
    waiting = _number(cells[columns["%iowait"]]) if "%iowait" in columns else 0.0
    count = vcpu or cpus.get(host)
    if at is None:
        mistakes.line(name, number, f"timestamp は日時です（{cells[columns.get('timestamp', 0)]}）")
    elif idle is None or waiting is None or not 0 <= idle + waiting <= 100.5:
        mistakes.line(name, number, "%idle と %iowait は 0 から 100 の数です")
    elif count is None:
        mistakes.line(name, number, f"{host} の vCPU 数が分かりません。--vcpu で指定してください")
    else:
        found = series.setdefault(host, LoadSeries(host))
        found.at.append(at)
        found.cores.append(max(0.0, count * (100 - idle - waiting) / 100))


def read_prometheus(path: Path) -> LoadRecord:
    """Cores in use in a CSV of Prometheus, e.g. the rate of `node_cpu_seconds_total` of all modes but idle, iowait.

    Either a column per VM beside `Time`, as Grafana exports it, or `timestamp`, `instance`, `value`. Times are ISO
    8601 or epoch seconds or milliseconds. Raises TraceError with every mistake and its line.
    """
    mistakes = Mistakes()
    lines, source = _lines(path, mistakes)
    series: dict[str, LoadSeries] = {}
    reader = csv.reader(lines, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        rows = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        mistakes.line(path.name, reader.line_num, f"CSV として読めません（{error}）")
        mistakes.check()
    header = [cell.strip() for cell in rows[0][1]] if rows else []
    lower = [cell.lower() for cell in header]
    times = [position for position, name in enumerate(lower) if name in _TIME_COLUMNS]
    if len(times) != 1 or len(header) < 2:
        mistakes.line(path.name, 1, f"見出しに時刻の列（Time か timestamp）と値の列が要ります（{', '.join(header)}）")
        mistakes.check()
    names = [position for position, name in enumerate(lower) if name in _NAME_COLUMNS]
    values = [position for position in range(len(header)) if position not in (*times, *names)]
    for number, cells in rows[1:]:
        at = _time(cells[times[0]]) if len(cells) == len(header) else None
        if at is None:
            mistakes.line(path.name, number, "列数か時刻が違います")
            continue
        for position in values:
            # Grafana leaves a cell empty where a series has no sample.
            if not cells[position].strip():
                continue
            cores = _number(cells[position])
            if cores is None or not 0 <= cores <= 1e6:
                mistakes.line(path.name, number, f"{header[position]} は 0 以上のコア数です（{cells[position]}）")
                continue
            named = cells[names[0]].strip() if names and len(values) == 1 else header[position]
            found = series.setdefault(named, LoadSeries(named))
            found.at.append(at)
            found.cores.append(cores)
    return _record(path.name, series, source, "Prometheus", mistakes)


def _lines(path: Path, mistakes: Mistakes) -> tuple[list[str], str]:
    data = read_bytes(path, mistakes)
    mistakes.check()
    data = data or b""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        mistakes.line(path.name, line, f"UTF-8 の文書ではありません（バイト 0x{data[error.start]:02x}）")
        mistakes.check()
        raise
    return text.splitlines(), f"{printable(path.name)}（sha256 {hashlib.sha256(data).hexdigest()[:16]}…）"


def _record(name: str, series: Mapping[str, LoadSeries], source: str, kind: str, mistakes: Mistakes) -> LoadRecord:
    if not series and not mistakes:
        mistakes.file(name, "CPU の測定値が 1 つもありません")
    mistakes.check()
    return LoadRecord(tuple(series.values()), source, kind)


def _time(text: str) -> datetime | None:
    """Epoch seconds or milliseconds, `2026-04-01 00:10:01 UTC` as sadf writes it, or ISO 8601."""
    text = text.strip()
    if re.fullmatch(r"[0-9]{9,10}(\.[0-9]{1,9})?|[0-9]{12,13}", text, re.ASCII):
        seconds = float(text)
        return datetime.fromtimestamp(seconds / 1000 if seconds >= 1e11 else seconds, UTC).astimezone(JST)
    if text.endswith(" UTC"):
        text = text.removesuffix(" UTC") + "+00:00"
    return moment(text)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
