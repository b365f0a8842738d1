"""Business-critical VMs of Bitbrains (GWA-T-12): one CSV file per VM, `;` separated, a sample every 300 s.

Shen, van Beek, Iosup, "Statistical Characterization of Business-Critical Workloads Hosted in Cloud Datacenters",
CCGrid 2015; gwa.ewi.tudelft.nl/datasets/gwa-t-12-bitbrains.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa

from capacity.records import Floats
from capacity.simulation.traces.mistakes import Mistakes

from .records import ImportedTrace
from .sources import SourceFile

SAMPLE_S = 300.0
LoadKind: TypeAlias = Literal["demand", "online"]

_COLUMNS = {
    "timestamp": "Timestamp [ms]",
    "cpu cores": "CPU cores",
    "cpu capacity provisioned": "CPU capacity provisioned [MHZ]",
    "cpu usage mhz": "CPU usage [MHZ]",
}
_MILLISECONDS_FROM = 1e11
"""Epoch seconds stay below this until the year 5138. The archive's header says ms, most of its files hold seconds."""


@dataclass(frozen=True)
class _Vm:
    """One VM's samples: cores used from each time until the next."""

    id: str
    vcpu: float
    from_s: Floats
    until_s: Floats
    cores: Floats


def read_bitbrains(source: Path, *, load: LoadKind = "demand", host_cores: float | None = None) -> ImportedTrace:
    """The VMs of one file or of a folder of files (`*.csv`) on one host.

    `demand`: each VM's use is one run whose unserved work is made up later; `online`: a load whose unserved part is
    lost. Without `host_cores` the host has as many cores as all VMs together. Raises TraceError with every mistake.
    """
    mistakes = Mistakes()
    left_out: Counter[str] = Counter()
    found: list[_Vm | None] = []
    described: list[str] = []
    for path in _files(source, mistakes):
        # One at a time: a month of the archive takes more than a GiB.
        file = SourceFile(path, mistakes)
        described.append(file.described)
        found.append(_vm(file, left_out, mistakes))
    mistakes.check()
    vms = [vm for vm in found if vm is not None and len(vm.cores)]
    if not vms:
        mistakes.file(str(source), "測定値が 1 つもありません")
        mistakes.check()
    begin_s = min(float(vm.from_s[0]) for vm in vms)
    cores = host_cores or math.fsum(vm.vcpu for vm in vms)
    tables = {
        "hosts": pa.table({"id": ["host"], "cores": [float(cores)]}),
        "vms": pa.table(
            {
                "id": [vm.id for vm in vms],
                "host": ["host"] * len(vms),
                "vcpu": [vm.vcpu for vm in vms],
                "slots": [""] * len(vms),
            }
        ),
        "runs": _runs(vms if load == "demand" else [], begin_s),
    }
    tables[load] = _steps(vms, load, begin_s)
    return ImportedTrace(
        format="bitbrains",
        tables=tables,
        source=tuple(described),
        units=(
            f"時刻：最初の測定（UNIX 時刻 {begin_s:.0f} 秒）からの秒",
            f"値は次の測定まで続くとした（{2 * SAMPLE_S:g} 秒を超える途切れでは {SAMPLE_S:g} 秒だけ）",
            "CPU：使用量（MHz）÷（割当 MHz ÷ コア数）= コア数",
            f"ホスト：{cores:g} コア 1 台"
            + ("（指定）" if host_cores else "（全 VM のコア数の合計。データには載っていない）"),
        ),
        notes=tuple(f"{reason}：{count:,} 行" for reason, count in sorted(left_out.items())),
    )


def _files(source: Path, mistakes: Mistakes) -> list[Path]:
    if not source.is_dir():
        return [source]
    found = sorted(source.glob("*.csv"), key=lambda path: (len(path.name), path.name))
    if not found:
        mistakes.file(str(source), "CSV ファイルがありません")
        mistakes.check()
    return found


def _vm(file: SourceFile, left_out: Counter[str], mistakes: Mistakes) -> _Vm | None:
    lines = file.text(mistakes).splitlines()
    columns = _header(lines[0] if lines else "")
    missing = [label for name, label in _COLUMNS.items() if name not in columns]
    if missing:
        mistakes.line(file.name, 1, f"見出しが違います。{'、'.join(missing)} が要ります（区切りは ;）")
        return None
    samples: list[tuple[float, float, float]] = []
    for number, text in enumerate(lines[1:], start=2):
        if not text.strip():
            continue
        cells = [cell.strip() for cell in text.split(";")]
        try:
            at, vcpu, provisioned, used = (float(cells[columns[name]]) for name in _COLUMNS)
        except (IndexError, ValueError):
            mistakes.line(file.name, number, f"数として読めません（{text[:200]}）")
            continue
        if not (math.isfinite(at) and 0 < vcpu <= 1e6 and 0 <= provisioned < 1e12 and 0 <= used < 1e12):
            mistakes.line(file.name, number, f"値が範囲の外です（{text[:200]}）")
        elif samples and at < samples[-1][0]:
            mistakes.line(file.name, number, f"時刻が順に並んでいません（{samples[-1][0]:.0f} の後に {at:.0f}）")
        elif samples and at == samples[-1][0]:
            left_out["同じ時刻の 2 つ目の測定を除いた"] += 1
        elif not provisioned and used:
            left_out["割当 MHz が 0 で使用量のある測定を除いた"] += 1
        else:
            samples.append((at, vcpu, used / (provisioned / vcpu) if provisioned else 0.0))
    return _sampled(file.name, samples, left_out)


def _header(line: str) -> dict[str, int]:
    """Position of each column; `[MHZ]` and `[%]` tell the two CPU usages apart."""
    columns: dict[str, int] = {}
    for position, cell in enumerate(line.split(";")):
        name = re.sub(r"\s*\[.*\]", "", cell).strip().lower()
        if name == "cpu usage":
            name += " mhz" if "mhz" in cell.lower() else " %"
        columns.setdefault(name, position)
    return columns


def _sampled(name: str, samples: list[tuple[float, float, float]], left_out: Counter[str]) -> _Vm:
    at, vcpu, cores = (
        (np.array(column, dtype=np.float64) for column in zip(*samples, strict=True))
        if samples
        else (
            np.zeros(0),
            np.zeros(0),
            np.zeros(0),
        )
    )
    if len(at) and at[0] >= _MILLISECONDS_FROM:
        at = at / 1000
    until = np.concatenate((at[1:], at[-1:] + SAMPLE_S))
    gaps = until - at > 2 * SAMPLE_S
    if gaps.any():
        left_out["測定の途切れ（負荷なしとした）"] += int(gaps.sum())
    over = cores > vcpu
    if over.any():
        left_out["割当を超える使用量を割当に抑えた"] += int(over.sum())
    return _Vm(
        id=Path(name).stem.replace(";", "_"),
        vcpu=float(vcpu.max()) if len(vcpu) else 1.0,
        from_s=at,
        until_s=np.where(gaps, at + SAMPLE_S, until),
        cores=np.minimum(cores, vcpu),
    )


def _runs(vms: list[_Vm], begin_s: float) -> pa.Table:
    """One run per VM, over all its samples."""
    return pa.table(
        {
            "id": pa.array([vm.id for vm in vms], pa.large_string()),
            "vm": pa.array([vm.id for vm in vms], pa.large_string()),
            "release_s": pa.array([float(vm.from_s[0]) - begin_s for vm in vms], pa.float64()),
            "cpu_s": pa.array([float(((vm.until_s - vm.from_s) * vm.cores).sum()) for vm in vms], pa.float64()),
            "max_cores": pa.array([""] * len(vms), pa.large_string()),
            "after": pa.array([""] * len(vms), pa.large_string()),
        }
    )


def _steps(vms: list[_Vm], load: LoadKind, begin_s: float) -> pa.Table:
    """All samples: a demand counts from the start of its run, an online load from the first sample of all."""
    origins = [float(vm.from_s[0]) if load == "demand" else begin_s for vm in vms]
    names = np.repeat(np.arange(len(vms)), [len(vm.cores) for vm in vms])
    return pa.table(
        {
            "run" if load == "demand" else "vm": pa.array([vm.id for vm in vms], pa.large_string()).take(
                pa.array(names)
            ),
            "from_s": np.concatenate([vm.from_s - origin for vm, origin in zip(vms, origins, strict=True)]),
            "until_s": np.concatenate([vm.until_s - origin for vm, origin in zip(vms, origins, strict=True)]),
            "cores": np.concatenate([vm.cores for vm in vms]),
        }
    )
