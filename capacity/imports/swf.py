"""The Standard Workload Format of the Parallel Workloads Archive (version 2.2): one job a line, 18 fields.

Chapin et al., "Benchmarks and Standards for the Evaluation of Parallel Job Schedulers", JSSPP 1999;
cs.huji.ac.il/labs/parallel/workload/swf.html.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from capacity.simulation.traces.mistakes import Mistakes

from .records import ImportedTrace
from .sources import SourceFile

_FIELDS = 18
_PARTIAL = (2, 3, 4)
"""Status of the pieces of a job that was checkpointed; one more line stands for the whole job."""
_CANCELLED = 5
_LATEST_S = 1e12
_MOST_PROCESSORS = 1e9


@dataclass(frozen=True)
class _Job:
    """One line: seconds, and processors held for the whole run time."""

    line: int
    number: int
    submit_s: float
    run_s: float
    processors: float
    preceding: int
    think_s: float


def read_swf(source: Path) -> ImportedTrace:
    """The jobs of an SWF file on one host of its processors. Raises TraceError with every mistake and its line."""
    mistakes = Mistakes()
    file = SourceFile(source, mistakes)
    left_out: Counter[str] = Counter()
    jobs: dict[int, _Job] = {}
    header: dict[str, str] = {}
    for line, text in enumerate(file.text(mistakes).splitlines(), start=1):
        stripped = text.strip()
        if stripped.startswith(";"):
            key, colon, value = stripped.lstrip("; ").partition(":")
            if colon:
                header.setdefault(key.strip().lower(), value.strip())
        elif stripped:
            job = _job(file.name, line, stripped.split(), left_out, mistakes)
            if job is None:
                continue
            if job.number in jobs:
                mistakes.line(file.name, line, f"処理 {job.number} は {jobs[job.number].line} 行目にもあります")
            else:
                jobs[job.number] = job
    processors, stated = _processors(file.name, header, jobs, mistakes)
    order = {number: row for row, number in enumerate(jobs)}
    after, lags = [], []
    for job in jobs.values():
        known = job.preceding in order
        if known and order[job.preceding] >= order[job.number]:
            mistakes.line(file.name, job.line, f"先行する処理 {job.preceding} は、それより前の行にありません")
        if job.preceding > 0 and not known:
            left_out["先行する処理が記録にない（先行関係だけを除いた）"] += 1
        after.append(str(job.preceding) if known else "")
        lags.append(job.think_s if known else 0.0)
        if job.processors > processors:
            mistakes.line(
                file.name,
                job.line,
                f"処理 {job.number} は決して入りません（{job.processors:g} 個、計算機は {processors:g} 個）",
            )
    mistakes.check()
    return ImportedTrace(
        format="swf",
        tables={
            "hosts": pa.table({"id": ["machine"], "cores": [processors]}),
            "vms": pa.table({"id": ["machine"], "host": ["machine"], "vcpu": [""], "slots": [""]}),
            "runs": pa.table(
                {
                    "id": pa.array([str(number) for number in jobs], pa.large_string()),
                    "vm": pa.array(["machine"] * len(jobs), pa.large_string()),
                    "release_s": pa.array([job.submit_s for job in jobs.values()], pa.float64()),
                    "cpu_s": pa.array([job.run_s * job.processors for job in jobs.values()], pa.float64()),
                    "max_cores": pa.array([job.processors for job in jobs.values()], pa.float64()),
                    "after": pa.array(after, pa.large_string()),
                    "lag_s": pa.array(lags, pa.float64()),
                }
            ),
        },
        source=(file.described,),
        units=(
            f"時刻：記録の始まり（UnixStartTime {header.get('unixstarttime', '記載なし')[:40]}）からの秒",
            "仕事量：実行時間 × 割り当てた（なければ要求した）プロセッサー数。1 プロセッサー = 1 コア",
            f"計算機：{processors:g} コアのホスト 1 台（{stated}）",
            "足りないときは待ち行列ではなく、公平に分け合います（記録の待ち時間は使いません）",
        ),
        notes=tuple(f"{reason}：{count:,} 件" for reason, count in sorted(left_out.items())),
    )


def _job(name: str, line: int, cells: list[str], left_out: Counter[str], mistakes: Mistakes) -> _Job | None:
    """The job on this line, or None where it is left out or wrong."""
    if len(cells) != _FIELDS:
        mistakes.line(name, line, f"欄が {len(cells)} 個です。正しくは {_FIELDS}")
        return None
    try:
        numbers = [float(cell) for cell in cells]
    except ValueError:
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)):
        position = next(place for place, cell in enumerate(cells, start=1) if not _is_number(cell))
        mistakes.line(name, line, f"{position} 番目の欄は数です（{cells[position - 1]}）")
        return None
    number, submit_s, _, run_s, allocated, _, _, requested, _, _, status, *_, preceding, think_s = numbers
    if number < 1 or number != int(number):
        mistakes.line(name, line, f"処理の番号は 1 以上の整数です（{cells[0]}）")
        return None
    if (
        not 0 <= submit_s <= _LATEST_S
        or max(run_s, think_s) > _LATEST_S
        or max(allocated, requested) > _MOST_PROCESSORS
    ):
        mistakes.line(
            name, line, f"投入時刻、実行時間、思考時間、プロセッサー数が範囲の外です（{' '.join(cells)[:200]}）"
        )
        return None
    processors = allocated if allocated > 0 else requested
    reason = None
    if status in _PARTIAL:
        reason = "中断した処理の一部（状態 2～4。全体の行がある）"
    elif run_s <= 0 and status == _CANCELLED:
        reason = "始まる前に取り消された処理（状態 5）"
    elif run_s < 0:
        reason = "実行時間が不明な処理"
    elif processors <= 0:
        reason = "プロセッサー数が不明な処理"
    if reason is not None:
        left_out[reason] += 1
        return None
    return _Job(line, int(number), submit_s, run_s, processors, int(preceding), max(0.0, think_s))


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _processors(name: str, header: dict[str, str], jobs: dict[int, _Job], mistakes: Mistakes) -> tuple[float, str]:
    """How many processors the machine has, and how that is known."""
    for key, label in (("maxprocs", "MaxProcs"), ("maxnodes", "MaxNodes")):
        found = re.match(r"[0-9]{1,9}", header.get(key, ""), re.ASCII)
        if found and int(found[0]) > 0:
            return float(found[0]), f"見出しの {label}"
    if not jobs:
        mistakes.file(name, "MaxProcs の見出しも処理もありません")
        mistakes.check()
    return max(job.processors for job in jobs.values()), "見出しにないので、最も多く使う処理の数とした"
