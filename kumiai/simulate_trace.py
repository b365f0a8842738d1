"""`kumiai simulate --trace DIR`: other people's workloads, replayed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .memory_limit import bytes_of
from .terminal import FAILURE, UNFIT, RefusedError, emit, emit_json

if TYPE_CHECKING:
    from capacity.simulation.engines import EngineName


def replay(trace: Path, output: Path | None, memory_limit: str | None, engine: EngineName, as_json: bool) -> None:
    """Simulate the trace directory `trace`; leave `runs.csv` and `summary.json` in `output`.

    `memory_limit` such as `4GiB` refuses what would need more. Raises RefusedError for every user's mistake.
    """
    if output is None:
        raise RefusedError("--trace には結果のフォルダー -o OUT が要ります")
    limit = None if memory_limit is None else bytes_of(memory_limit)
    from capacity.simulation import engines, traces

    if limit is not None and (needed := traces.needed(trace)) > limit:
        raise RefusedError(
            f"--memory-limit: 約 {needed / 1024**3:.1f} GiB が要り、{limit / 1024**3:.1f} GiB に収まりません"
            "。上限を上げるか、期間を短くしたトレースに分けてください"
        )

    try:
        traces.check_results_replaceable(output)
        read = traces.read(trace)
        result = engines.engine(engine)(read.system)
        summary = traces.write_results(output, read.system, result, read.power)
    except traces.TraceError as error:
        raise RefusedError(*error.problems) from None
    except OSError as error:
        raise RefusedError(f"{output}: 書き込めません（{error.strerror}）", exit_code=FAILURE) from None
    if as_json:
        emit_json(summary)
    else:
        emit(str(summary["verdict"]))
        emit(f"CPU の平均使用率：{summary['mean_cpu']:.4f}")
        if "energy_j" in summary:
            emit(f"消費電力量：{summary['energy_j']:.9g} J（{summary['energy_hosts']} ホスト）")
        emit(f"結果：{output}")
    if summary["unfinished_runs"]:
        raise RefusedError(f"終わらない処理が {summary['unfinished_runs']:,} 件あります", exit_code=UNFIT)
