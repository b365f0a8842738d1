"""OpenDC's trace format: tasks and fragments (Parquet) on equal hosts (JSON).

Every task fills one host, so `n` hosts of `c` cores become one host of `n x c` cores, and their queue becomes the
queue of one VM with `n` slots: first come, first served, as OpenDC's scheduler does where nothing else fits.
Format: OpenDC documentation, "Workload" and "Topology" (opendc.org/docs).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from capacity.records import Floats, Ints
from capacity.simulation.traces.mistakes import Mistakes

from .records import ImportedTrace
from .sources import SourceFile

_SPEEDS_MHZ = {"hz": 1e-6, "khz": 1e-3, "mhz": 1.0, "ghz": 1e3}
_WATTS = {"w": 1.0, "watt": 1.0, "watts": 1.0, "kw": 1e3, "kilowatts": 1e3}


@dataclass(frozen=True)
class _Hosts:
    """Equal hosts."""

    count: int
    cores: int
    core_mhz: float
    idle_w: float
    full_w: float


def read_surf(source: Path, hosts: Path | None = None) -> ImportedTrace:
    """The trace in folder `source` (tasks.parquet, fragments.parquet) on the hosts of a topology file.

    Without `hosts` the folder must hold exactly one JSON file. Raises TraceError with every mistake and its place.
    """
    mistakes = Mistakes()
    topology = SourceFile(hosts or _only_json(source, mistakes), mistakes)
    tasks, fragments = (SourceFile(source / f"{name}.parquet", mistakes) for name in ("tasks", "fragments"))
    machine = _hosts(topology, mistakes)
    task = tasks.number_columns(("id", "submission_time", "cpu_count"), mistakes)
    piece = fragments.number_columns(("id", "duration", "cpu_usage"), mistakes)
    mistakes.rows(
        tasks,
        task["cpu_count"] != machine.cores,
        lambda row: f"cpu_count は {task['cpu_count'][row]:g} です。ホスト 1 台の {machine.cores} が要ります",
    )
    mistakes.rows(tasks, _repeated(task["id"]), lambda row: f"id {task['id'][row]:.0f} は前にもあります")
    mistakes.rows(
        fragments, piece["duration"] <= 0, lambda row: f"duration は 0 より大きい数です（{piece['duration'][row]:g}）"
    )
    mistakes.rows(
        fragments, piece["cpu_usage"] < 0, lambda row: f"cpu_usage は 0 以上の数です（{piece['cpu_usage'][row]:g}）"
    )
    mistakes.check()
    order = np.lexsort((np.arange(len(task["id"])), task["submission_time"]))
    ids, submitted_ms = task["id"][order], task["submission_time"][order]
    of_task = _rows_of(piece["id"], ids)
    notes = _left_out(of_task, len(ids))
    known = of_task >= 0
    steps = _steps(of_task[known], piece["duration"][known] / 1000, piece["cpu_usage"][known] / machine.core_mhz)
    notes.append(f"同じ高さで続く断片をまとめました（{int(known.sum()):,} 個から {len(steps.run):,} 段）")
    kept = np.unique(steps.run)
    names = pa.array([f"{number:.0f}" for number in ids[kept]], pa.large_string())
    begin_ms = float(submitted_ms[kept].min()) if len(kept) else 0.0
    work = np.bincount(steps.run, weights=(steps.until_s - steps.from_s) * steps.cores, minlength=len(ids))[kept]
    new_row = np.full(len(ids), -1, dtype=np.int64)
    new_row[kept] = np.arange(len(kept))
    return ImportedTrace(
        format="surf",
        tables={
            "hosts": pa.table(
                {
                    "id": ["hosts"],
                    "cores": [machine.count * machine.cores],
                    "idle_w": [machine.count * machine.idle_w],
                    "full_w": [machine.count * machine.full_w],
                }
            ),
            "vms": pa.table({"id": ["tasks"], "host": ["hosts"], "vcpu": pa.array([""]), "slots": [machine.count]}),
            "runs": pa.table(
                {
                    "id": names,
                    "vm": pa.array(["tasks"] * len(kept)),
                    "release_s": (submitted_ms[kept] - begin_ms) / 1000,
                    "cpu_s": work,
                    "max_cores": np.full(len(kept), machine.cores),
                    "after": pa.array([""] * len(kept)),
                }
            ),
            "demand": pa.table(
                {
                    "run": names.take(pa.array(new_row[steps.run])),
                    "from_s": steps.from_s,
                    "until_s": steps.until_s,
                    "cores": steps.cores,
                }
            ),
        },
        source=(tasks.described, fragments.described, topology.described),
        units=(
            f"時刻：最初の投入（{begin_ms:.0f} ミリ秒、UNIX 時刻）からの秒",
            f"CPU：cpu_usage（MHz）÷ {machine.core_mhz:g} MHz = コア数",
            f"計算機：{machine.count} 台 × {machine.cores} コアを 1 台のホストと、同時に {machine.count} 件の VM に",
            f"電力：1 台 {machine.idle_w:g}～{machine.full_w:g} W（使用率に比例）の {machine.count} 台分",
        ),
        notes=tuple(notes),
    )


def _only_json(source: Path, mistakes: Mistakes) -> Path:
    found = sorted(source.glob("*.json")) if source.is_dir() else []
    if len(found) != 1:
        names = "、".join(path.name for path in found) or "なし"
        mistakes.file(
            str(source), f"ホストの JSON がちょうど 1 つではありません（{names}）。--hosts で指定してください"
        )
        mistakes.check()
    return found[0]


def _hosts(file: SourceFile, mistakes: Mistakes) -> _Hosts:
    """The equal hosts of a topology file."""
    text = file.text(mistakes)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        mistakes.line(file.name, line, f"JSON として読めません（{str(error)[:200]}）")
        mistakes.check()
    try:
        found = [_host(entry) for cluster in document["clusters"] for entry in cluster["hosts"]]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        mistakes.file(file.name, f"ホストの形が違います（{type(error).__name__}：{str(error)[:200]}）")
        mistakes.check()
        raise
    kinds = {(host.cores, host.core_mhz, host.idle_w, host.full_w) for host in found}
    count = sum(host.count for host in found)
    if len(kinds) != 1 or not 1 <= count <= 10_000_000:
        mistakes.file(file.name, f"同じ型のホストが 1 台以上要ります（{len(kinds)} 種類、{count} 台）")
        mistakes.check()
    first = found[0]
    return _Hosts(count, first.cores, first.core_mhz, first.idle_w, first.full_w)


def _host(entry: dict[str, Any]) -> _Hosts:
    cpu, power = entry["cpu"], entry["cpuPowerModel"]
    if power["type"] != "linear":
        raise ValueError(f"cpuPowerModel {power['type']}")
    cores, count = int(cpu["coreCount"]) * int(cpu.get("count", 1)), int(entry.get("count", 1))
    speed = _quantity(cpu["coreSpeed"], _SPEEDS_MHZ, "MHz")
    idle_w, full_w = (_quantity(power[name], _WATTS, "W") for name in ("idlePower", "maxPower"))
    if cores < 1 or count < 0 or not speed > 0 or full_w < idle_w:
        raise ValueError(f"coreCount {cores}, count {count}, coreSpeed {speed:g} MHz, {idle_w:g}-{full_w:g} W")
    return _Hosts(count, cores, speed, idle_w, full_w)


def _quantity(value: object, units: dict[str, float], plain: str) -> float:
    """A number with its unit (`2.1 GHz`); a bare number is in `plain`."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        number, factor = float(value), units[plain.lower()]
    else:
        parts = re.fullmatch(r"\s*([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([A-Za-z]+)\s*", str(value), re.ASCII)
        if parts is None or parts[2].lower() not in units:
            raise ValueError(f"{str(value)[:50]}（単位は {', '.join(units)}）")
        number, factor = float(parts[1]), units[parts[2].lower()]
    if not 0 <= number < 1e15:
        raise ValueError(f"{str(value)[:50]}")
    return number * factor


def _repeated(values: Floats) -> np.ndarray[Any, np.dtype[np.bool_]]:
    first = np.zeros(len(values), dtype=np.bool_)
    first[np.unique(values, return_index=True)[1]] = True
    return ~first


def _rows_of(values: Floats, ids: Floats) -> Ints:
    """The row of each id, -1 for those that are not there."""
    if not len(ids):
        return np.full(len(values), -1, dtype=np.int64)
    by_id = np.argsort(ids)
    place = np.minimum(np.searchsorted(ids[by_id], values), len(ids) - 1)
    return np.where(ids[by_id][place] == values, by_id[place], -1)


def _left_out(of_task: Ints, tasks: int) -> list[str]:
    notes = []
    if (of_task < 0).any():
        notes.append(f"tasks.parquet にない処理の断片 {int((of_task < 0).sum()):,} 個を除きました")
    empty = tasks - len(np.unique(of_task[of_task >= 0]))
    if empty:
        notes.append(f"断片のない処理 {empty:,} 件を除きました")
    return notes


@dataclass(frozen=True)
class _Steps:
    run: Ints
    from_s: Floats
    until_s: Floats
    cores: Floats


def _steps(run: Ints, length_s: Floats, cores: Floats) -> _Steps:
    """Fragments one after the other, those of equal height as one step."""
    order = np.argsort(run, kind="stable")
    run, length_s, cores = run[order], length_s[order], cores[order]
    if not len(run):
        return _Steps(run, length_s, length_s, cores)
    new_run = np.concatenate(([True], run[1:] != run[:-1]))
    first = np.flatnonzero(new_run)
    of_first = np.cumsum(new_run) - 1
    # Whole milliseconds: sums are exact, whatever their order.
    until_ms = np.cumsum(np.rint(length_s * 1000))
    before_ms = np.concatenate(([0.0], until_ms[:-1]))
    origin_ms = before_ms[first][of_first]
    starts = np.flatnonzero(new_run | np.concatenate(([True], cores[1:] != cores[:-1])))
    ends = np.concatenate((starts[1:], [len(run)])) - 1
    return _Steps(
        run[starts],
        (before_ms[starts] - origin_ms[starts]) / 1000,
        (until_ms[ends] - origin_ms[starts]) / 1000,
        cores[starts],
    )
