"""Reads a trace directory (hosts.csv, vms.csv, runs.csv, optional demand.csv) and writes its results."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from pathlib import Path

from layout import exchange

from .columns import SimulationInput, run_columns
from .records import DemandStep, SimulatedHost, SimulatedRun, SimulatedVm, SimulationResult
from .validity import runs_in_circles

FORMAT_VERSION = "1.0"


class TraceError(ValueError):
    """Everything that is wrong with a trace, one Japanese line per mistake (`file:line: what`)."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class _Row:
    """One line of a table, with the place it stands at for messages."""

    file: str
    line: int
    cells: dict[str, str]


def read_trace(directory: Path) -> SimulationInput:
    """The system that a trace directory describes (DESIGN 3). Raises TraceError with every mistake found."""
    problems: list[str] = []
    tables = {
        "hosts.csv": _rows(directory / "hosts.csv", ("id", "cores"), (), problems),
        "vms.csv": _rows(directory / "vms.csv", ("id", "host", "vcpu", "slots"), (), problems),
        "runs.csv": _rows(
            directory / "runs.csv",
            ("id", "vm", "release_s", "cpu_s", "max_cores", "after"),
            ("fixed_s", "lag_s"),
            problems,
        ),
    }
    demand_rows: list[_Row] = []
    if (directory / "demand.csv").exists():
        demand_rows = _rows(directory / "demand.csv", ("run", "from_s", "until_s", "cores"), (), problems)
    if problems:
        raise TraceError(tuple(problems))
    host_rows = _index(tables["hosts.csv"], problems)
    vm_rows = _index(tables["vms.csv"], problems)
    run_rows = _index(tables["runs.csv"], problems)
    demand = _demand(demand_rows, run_rows, problems)
    hosts = tuple(
        SimulatedHost(row.cells["id"], _number(row, "cores", row.cells["cores"], problems, _POSITIVE) or 1.0)
        for row in tables["hosts.csv"]
    )
    vms = tuple(
        SimulatedVm(
            id=row.cells["id"],
            host=_reference(row, "host", row.cells["host"], host_rows, problems),
            vcpu=_optional(row, "vcpu", problems, _POSITIVE),
            slots=_slots(row, problems),
        )
        for row in tables["vms.csv"]
    )
    runs = tuple(_run(row, vm_rows, run_rows, demand.get(row.cells["id"], ()), problems) for row in tables["runs.csv"])
    if not problems:
        circle = runs_in_circles(run_columns(runs))
        problems += [
            f"runs.csv:{tables['runs.csv'][row].line}: 先行関係が循環しています（{runs[row].id}）" for row in circle
        ]
    if problems:
        raise TraceError(tuple(problems))
    return SimulationInput.of(hosts, vms, runs)


def write_results(destination: Path, system: SimulationInput, result: SimulationResult) -> None:
    """Make the folder `destination` with `runs.csv` (id, start_s, end_s) and `summary.json`, as a whole.

    Earlier results are replaced. Numbers are written with all digits (the shortest form that reads back as the same
    float). Raises TraceError where `destination` holds anything else, or cannot be written.
    """
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("id", "start_s", "end_s"))
    for name, start_s, end_s in zip(system.runs.ids, result.start_s, result.end_s, strict=True):
        writer.writerow((name, repr(float(start_s)), repr(float(end_s))))
    text = json.dumps(summary(system, result), ensure_ascii=False, indent=2) + "\n"
    files = {"runs.csv": table.getvalue(), "summary.json": text}

    def fill(folder: Path) -> None:
        for name, content in files.items():
            exchange.write_file(folder / name, content.encode())

    try:
        foreign = [path.name for path in sorted(destination.iterdir()) if path.name not in files]
    except FileNotFoundError:
        foreign = []
    except OSError as error:
        raise TraceError((f"{destination}: フォルダーとして読めません（{error.strerror}）",)) from None
    if foreign:
        raise TraceError((f"{destination}: 模擬の結果ではない {foreign[0]} があるので置き換えません",))
    try:
        exchange.replace_folder(destination.resolve(), fill)
    except OSError as error:
        raise TraceError((f"{destination}: 書き込めません（{error.strerror}）",)) from None


def summary(system: SimulationInput, result: SimulationResult) -> dict[str, str | int | float]:
    """Totals of a simulated trace: seconds, and core-seconds for work."""
    runs = len(system.runs)
    begin_s = float(system.runs.release_s.min()) if runs else 0.0
    end_s = float(result.end_s.max()) if runs else begin_s
    return {
        "format_version": FORMAT_VERSION,
        "verdict": f"判定：{runs} 件の処理がすべて終了（最終終了 {end_s:.3f} 秒）",
        "hosts": len(system.hosts),
        "vms": len(system.vms),
        "runs": runs,
        "work_core_s": math.fsum(system.runs.cpu_s.tolist()),
        "makespan_s": end_s - begin_s,
        "mean_wait_s": float((result.start_s - result.ready_s).mean()) if runs else 0.0,
        "mean_response_s": float((result.end_s - result.ready_s).mean()) if runs else 0.0,
        "max_response_s": float((result.end_s - result.ready_s).max()) if runs else 0.0,
    }


def _rows(path: Path, required: tuple[str, ...], optional: tuple[str, ...], problems: list[str]) -> list[_Row]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        problems.append(f"{path.name}: ファイルがありません")
        return []
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path.name}: UTF-8 の CSV として読めません（{error}）")
        return []
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        missing = [name for name in required if name not in header]
        unknown = [name for name in header if name not in required + optional]
        if missing or unknown or len(set(header)) != len(header):
            expected = ", ".join(required) + (f"（任意：{', '.join(optional)}）" if optional else "")
            problems.append(f"{path.name}:1: 見出しが違います（{', '.join(header)}）。正しくは {expected}")
            return []
        rows = []
        for cells in reader:
            if not cells:
                continue
            if len(cells) != len(header):
                problems.append(f"{path.name}:{reader.line_num}: 列数が {len(cells)} です。正しくは {len(header)}")
                continue
            named = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
            rows.append(_Row(path.name, reader.line_num, named))
    except csv.Error as error:
        problems.append(f"{path.name}:{reader.line_num}: CSV として読めません（{error}）")
        return []
    return rows


def _index(rows: list[_Row], problems: list[str]) -> dict[str, int]:
    index: dict[str, int] = {}
    for position, row in enumerate(rows):
        name = row.cells["id"]
        if not name or ";" in name:
            problems.append(f"{row.file}:{row.line}: id が空か「;」を含みます（{name}）")
        elif name in index:
            problems.append(f"{row.file}:{row.line}: id {name} は {rows[index[name]].line} 行目にもあります")
        index.setdefault(name, position)
    return index


def _run(
    row: _Row,
    vm_rows: dict[str, int],
    run_rows: dict[str, int],
    demand: tuple[DemandStep, ...],
    problems: list[str],
) -> SimulatedRun:
    after = tuple(name.strip() for name in row.cells["after"].split(";") if name.strip())
    cpu_s = _number(row, "cpu_s", row.cells["cpu_s"], problems, _NOT_NEGATIVE) or 0.0
    integral = math.fsum((step.until_s - step.from_s) * step.cores for step in demand)
    if demand and not math.isclose(integral, cpu_s, rel_tol=1e-6, abs_tol=1e-6):
        problems.append(f"{row.file}:{row.line}: cpu_s は {cpu_s} ですが、demand.csv の合計は {integral} です")
    return SimulatedRun(
        id=row.cells["id"],
        vm=_reference(row, "vm", row.cells["vm"], vm_rows, problems),
        release_s=_number(row, "release_s", row.cells["release_s"], problems, _ANY) or 0.0,
        cpu_s=cpu_s,
        max_cores=_optional(row, "max_cores", problems, _POSITIVE),
        fixed_s=_optional(row, "fixed_s", problems, _NOT_NEGATIVE) or 0.0,
        after=tuple(_reference(row, "after", name, run_rows, problems) for name in after),
        lag_s=_lags(row, len(after), problems),
        demand=demand,
    )


def _lags(row: _Row, predecessors: int, problems: list[str]) -> tuple[float, ...]:
    """`lag_s` is one number for all predecessors, or one per predecessor, joined with `;`."""
    texts = [text.strip() for text in row.cells.get("lag_s", "").split(";") if text.strip()]
    if len(texts) not in (0, 1, predecessors):
        problems.append(f"{row.file}:{row.line}: lag_s の数が {len(texts)} です。正しくは 1 または {predecessors}")
        return (0.0,) * predecessors
    lags = [_number(row, "lag_s", text, problems, _NOT_NEGATIVE) for text in texts]
    numbers = tuple(lag if lag is not None else 0.0 for lag in lags)
    return numbers * predecessors if len(numbers) == 1 else numbers


def _demand(rows: list[_Row], run_rows: dict[str, int], problems: list[str]) -> dict[str, tuple[DemandStep, ...]]:
    steps: dict[str, list[DemandStep]] = {}
    for row in rows:
        name = row.cells["run"]
        _reference(row, "run", name, run_rows, problems)
        from_s, until_s, cores = (
            _number(row, column, row.cells[column], problems, _NOT_NEGATIVE)
            for column in ("from_s", "until_s", "cores")
        )
        if from_s is None or until_s is None or cores is None:
            continue
        earlier = steps.setdefault(name, [])
        reached_s = earlier[-1].until_s if earlier else 0.0
        if not reached_s <= from_s < until_s:
            problems.append(
                f"{row.file}:{row.line}: 時刻が順に並んでいません（{reached_s} の後に {from_s} から {until_s}）"
            )
            continue
        earlier.append(DemandStep(from_s, until_s, cores))
    return {name: tuple(found) for name, found in steps.items()}


def _reference(row: _Row, column: str, name: str, known: dict[str, int], problems: list[str]) -> int:
    if name not in known:
        problems.append(f"{row.file}:{row.line}: {column} の {name or '（空）'} は定義されていません")
    return known.get(name, 0)


def _slots(row: _Row, problems: list[str]) -> int | None:
    text = row.cells["slots"]
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        problems.append(f"{row.file}:{row.line}: slots は 1 以上の整数か空です（{text}）")
        return None
    return int(text)


@dataclass(frozen=True)
class _Range:
    """Which numbers a column takes, and how that is said."""

    text: str
    low: float
    low_allowed: bool = True

    def holds(self, value: float) -> bool:
        return math.isfinite(value) and (value >= self.low if self.low_allowed else value > self.low)


_ANY = _Range("数", -math.inf)
_NOT_NEGATIVE = _Range("0 以上の数", 0.0)
_POSITIVE = _Range("0 より大きい数", 0.0, low_allowed=False)


def _optional(row: _Row, column: str, problems: list[str], wanted: _Range) -> float | None:
    """The number in a column that may be empty or absent."""
    text = row.cells.get(column, "")
    return _number(row, column, text, problems, wanted) if text else None


def _number(row: _Row, column: str, text: str, problems: list[str], wanted: _Range) -> float | None:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if wanted.holds(value):
        return value
    problems.append(f"{row.file}:{row.line}: {column} は{wanted.text}です（{text or '空'}）")
    return None
