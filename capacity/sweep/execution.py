"""A sweep from beginning to end: what is finished already, what must run, and the figures of all."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

from .reader import tasks
from .records import Failed, Finished, Outcome, PlanBytes, Sweep, Task
from .store import Store, opened, plans_of, scenarios_of
from .summary import SweepSummary, summarise

Runner: TypeAlias = Callable[[Sequence[Task], Mapping[str, PlanBytes]], Generator[tuple[Task, Outcome], None, None]]
"""`local.run` or `cluster.run`: tasks and plans by digest -> each task with its outcome, as they end."""


def sweep(
    wanted: Sweep,
    output: Path,
    runner: Runner,
    *,
    progress: Callable[[str, float], None] = lambda _text, _share: None,
    tell: Callable[[str], None] = lambda _line: None,
) -> SweepSummary:
    """Run what `output` does not hold yet, keep each simulation as it ends, and summarise all of them.

    The folder's bytes do not depend on who ran what where and how often it was interrupted. A task without figures is
    in the summary's `failed`; the others go on. Raises StoreError, and what the runner raises (finished ones stay).
    """
    every = tasks(wanted)
    with opened(output) as store:
        for line in _continued(wanted, every, store):
            tell(line)
        store.begin(wanted)
        missing = [task for task in every if task not in store]
        failed = _run(missing, wanted, store, runner, len(every), progress)
        for fault in [failure.traceback for _, failure in failed if failure.traceback][:1]:
            tell(fault)
        summary = summarise(wanted, store.figures(wanted), failed)
        store.finish(wanted, (summary.model_dump_json(indent=1) + "\n").encode())
    return summary


def _run(
    missing: Sequence[Task],
    wanted: Sweep,
    store: Store,
    runner: Runner,
    total: int,
    progress: Callable[[str, float], None],
) -> list[tuple[Task, Failed]]:
    failed: dict[str, tuple[Task, Failed]] = {}
    done = total - len(missing)
    if not missing:
        return []
    progress(f"{done:,}/{total:,} 回", done / total)
    with closing(runner(missing, {plan.digest: plan for plan in wanted.plans})) as outcomes:
        for task, outcome in outcomes:
            if isinstance(outcome, Finished):
                store.put(task, outcome.data)
            else:
                failed[task.key] = task, outcome
            done += 1
            progress(f"{done:,}/{total:,} 回（{task.scenario}、種 {task.seed}）", done / total)
    return [failed[task.key] for task in missing if task.key in failed]


def _continued(wanted: Sweep, every: Sequence[Task], store: Store) -> Iterator[str]:
    """What the user should know about a folder that is not new: what changed, and what therefore runs again."""
    if store.previous is None:
        return
    done = sum(task in store for task in every)
    before_plans, before = plans_of(store.previous), scenarios_of(store.previous)
    if store.previous.get("version") != wanted.version:
        yield "前回と kumiai かライブラリの版が違うので、すべて模擬し直します"
    for plan in wanted.plans:
        if before_plans.get(plan.written, plan.digest) != plan.digest:
            yield f"計画 {plan.written} が前回から変わりました。その条件を模擬し直します"
    now = {scenario.name: scenario.key for scenario in wanted.scenarios}
    added = len(set(now) - set(before))
    gone = len(set(before) - set(now))
    changed = sum(before[name] != key for name, key in now.items() if name in before)
    if added or gone or changed:
        yield f"前回との違い：新しい条件 {added:,}、変わった条件 {changed:,}、なくなった条件 {gone:,}"
    if store.damaged:
        yield f"壊れているか消えている結果 {store.damaged:,} 件は模擬し直します"
    yield f"前回の続きです：{len(every):,} 回のうち {done:,} 回は済み、{len(every) - done:,} 回を模擬します"
    if store.kept > done:
        yield f"今回の条件にない結果 {store.kept - done:,} 件は使わず、フォルダーに残します"
