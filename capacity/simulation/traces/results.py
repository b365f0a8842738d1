"""What a simulation of a trace leaves behind: OUT/runs.csv and OUT/summary.json."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa

from capacity.records import Floats
from capacity.simulation.columns import SimulationInput
from capacity.simulation.energy import energy_j
from capacity.simulation.records import SimulationResult
from layout import exchange

from .cells import Names
from .power import HostPower
from .writer import check_replaceable, csv_bytes, replace_folder

FORMAT_VERSION = "1.0"
_KIND = "模擬の結果"
FILES = ("runs.csv", "summary.json")


def write_results(
    destination: Path, system: SimulationInput, result: SimulationResult, power: HostPower | None = None
) -> dict[str, str | int | float]:
    """Make the folder `destination` with `runs.csv` (id, start_s, end_s) and `summary.json`, as a whole.

    Earlier results are replaced. Numbers are written with all digits (the shortest form that reads back as the same
    float). Answers what `summary.json` holds. Raises TraceError where `destination` holds anything else, or cannot be
    written.
    """
    totals = summary(system, result, power)
    files = {
        "runs.csv": _runs_csv(system, result),
        "summary.json": (json.dumps(totals, ensure_ascii=False, indent=2) + "\n").encode(),
    }

    def fill(folder: Path) -> None:
        for name, content in files.items():
            exchange.write_file(folder / name, content)

    replace_folder(destination, list(FILES), _KIND, fill)
    return totals


def check_results_replaceable(destination: Path) -> None:
    """Raise TraceError unless `destination` is absent, empty, or holds results of a trace."""
    check_replaceable(destination, list(FILES), _KIND)


def _runs_csv(system: SimulationInput, result: SimulationResult) -> bytes:
    ids = system.runs.ids
    names = ids.texts if isinstance(ids, Names) else pa.array(list(ids), pa.large_string())
    table = pa.table({"id": names, "start_s": result.start_s + 0.0, "end_s": result.end_s + 0.0})
    return csv_bytes(table)


def summary(
    system: SimulationInput, result: SimulationResult, power: HostPower | None = None
) -> dict[str, str | int | float]:
    """Totals of a simulated trace: seconds, core-seconds for work, joules where the trace states its hosts' power."""
    runs = len(system.runs)
    ended = np.isfinite(result.end_s)
    first_s, last_s = _span(system, result)
    begin_s = float(system.runs.release_s.min()) if runs else 0.0
    end_s = float(result.end_s[ended].max()) if ended.any() else begin_s
    wait_s = result.start_s[ended] - result.ready_s[ended]
    response_s = result.end_s[ended] - result.ready_s[ended]
    verdict = f"判定：{runs} 件の処理がすべて終了（最終終了 {end_s:.3f} 秒）"
    if not ended.all():
        verdict = f"判定：不適合 — {runs} 件のうち {int((~ended).sum())} 件は開ける枠がなく終わらない"
    elapsed_s = last_s - first_s
    capacity = math.fsum(system.hosts.cores.tolist()) * elapsed_s
    served = math.fsum(result.host_core_s.tolist())
    totals: dict[str, str | int | float] = {
        "format_version": FORMAT_VERSION,
        "verdict": verdict,
        "hosts": len(system.hosts),
        "vms": len(system.vms),
        "runs": runs,
        "unfinished_runs": int((~ended).sum()),
        "work_core_s": math.fsum(system.runs.cpu_s.tolist()),
        "served_core_s": served,
        "makespan_s": end_s - begin_s,
        "mean_cpu": served / capacity if capacity > 0 else 0.0,
        "mean_wait_s": _mean(wait_s),
        "mean_response_s": _mean(response_s),
        "max_response_s": float(response_s.max()) if len(response_s) else 0.0,
    }
    if power is not None and power.stated.any():
        joules = energy_j(system.hosts.cores, result.host_core_s, elapsed_s, power.idle_w, power.full_w)
        totals["energy_j"] = math.fsum(joules[power.stated].tolist())
        totals["energy_hosts"] = int(power.stated.sum())
    return totals


def _mean(values: Floats) -> float:
    return math.fsum(values.tolist()) / len(values) if len(values) else 0.0


def _span(system: SimulationInput, result: SimulationResult) -> tuple[float, float]:
    """From the first event, changes and online load included, to the last end: what `host_core_s` counts."""
    ends = result.end_s[np.isfinite(result.end_s)]
    if not len(ends):
        return 0.0, 0.0
    given = (system.changes.vcpu_at_s, system.changes.move_at_s, system.online.at_s)
    last_s = float(ends.max())
    return min(float(np.concatenate([system.runs.release_s, *given]).min()), last_s), last_s
