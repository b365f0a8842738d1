"""`make validate`: prints one table of all cases; the exit code is 1 where any fails."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from capacity.simulation.engines import EngineName, engine

from . import conservation, coverage, published, statistical, surf
from .checks import Check, Figure, judged

THREADS = 2
"""The compiled engine works without the interpreter's lock."""


def checks(surf_week: Path | None, say: Callable[[str], None]) -> Iterator[Check]:
    """All lines, in the order of the table. Raises TraceError for a folder that is not the SURF week."""
    names: tuple[EngineName, EngineName] = ("fast", "simpy")
    for name in names:
        say(f"公表された小さな事例と監査（{name}）")
        yield from published.checks(engine(name), name)
        yield from conservation.checks(engine(name), name)
    fast = engine("fast")
    if surf_week is not None:
        say("SURF の 1 週間")
        yield surf.check(surf_week, fast, "fast")
    say("待ち行列理論")
    yield from judged(_figures(), "fast")
    say("区間の被覆率")
    with ThreadPoolExecutor(THREADS) as pool:
        shares = [pool.submit(trial.check, fast, "fast") for trial in coverage.trials()]
        yield from (share.result() for share in shares)


def _figures() -> list[Figure]:
    fast = engine("fast")
    with ThreadPoolExecutor(THREADS) as pool:
        found: list[Future[list[Figure]]] = [pool.submit(study.figures, fast) for study in statistical.studies()]
        found += [pool.submit(statistical.weighted_figures, queue, fast) for queue in statistical.WEIGHTED]
        return [figure for each in found for figure in each.result()]


def table_of(lines: list[Check]) -> Table:
    """The table, a row per line."""
    table = Table(title="シミュレーションの検証")
    for heading in ("事例", "理論値・公表値", "模擬（± は 95 % 区間の半幅）", "エンジン", "判定"):
        table.add_column(heading, overflow="fold")
    for line in lines:
        table.add_row(line.case, line.expected, line.found, line.engine, "合格" if line.passed else "不合格")
    return table


def main(arguments: list[str]) -> int:
    """Prints the table and the verdict; answers 1 where a line fails."""
    parser = argparse.ArgumentParser(prog="python -m capacity.simulation.validation", description=__doc__)
    parser.add_argument("--surf-week", type=Path, help="OpenDC の公開トレースのフォルダー（省けば検証しない）")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    errors, console = Console(stderr=True), Console(width=max(150, Console().width))  # a pipe has no width
    lines = list(checks(given.surf_week, lambda text: errors.print(f"検証中：{text}")))
    console.print(table_of(lines))
    failed = sum(not line.passed for line in lines)
    verdict = f"不合格 {failed} 件" if failed else "合格"
    console.print(f"判定：{verdict} — {len(lines)} 件を {time.monotonic() - began:.0f} 秒で検証しました")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
