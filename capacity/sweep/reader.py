"""`SCENARIOS.yaml` -> a sweep that may begin, or every mistake in it at once with its place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from estate.places import find
from estate.problems import EstateErrors, Problem, shown
from estate.validation import validate
from estate.yaml_reader import Node, read
from layout.errors import FolderError

from . import plans, subject
from .records import MOST_RUNS, MOST_SCENARIOS, PlanBytes, Scenario, SeedRange, Sweep, SweepFile, Task
from .scenarios import Axes, Sound, settings_of
from .subject import Settings
from .version import version

_STAND_INS = {"format": 1, "plans": []}
"""For required keys that are missing or wrong, so that the rest of the file is looked at too."""


def read_sweep(path: Path) -> Sweep:
    """The sweep that the file at `path` describes; every scenario is merged and checked, every plan is read.

    Raises EstateErrors with all mistakes: syntax, types, unknown keys, settings that no simulation takes, plans that
    cannot be read, too many scenarios.
    """
    root, found = read(path)
    document = validate(root, found, SweepFile, _STAND_INS)
    if document.record is None:
        raise EstateErrors(document.problems)
    file, root, problems = document.record, document.root, document.problems
    seeds = _seeds(root, file, problems)
    axes = Axes(root)
    problems += axes.problems
    count = axes.count() * len(file.plans)
    _refuse_too_many(root, axes, count, len(file.plans), len(seeds), problems)
    sound = list(settings_of(axes.scenarios() if count <= MOST_SCENARIOS else axes.samples(), problems))
    if not file.plans and not any(problem.path.startswith("plans") for problem in problems):
        problems.append(find(root, ("plans",)).node.problem("plans", "計画フォルダーを一つ以上書いてください"))
    packed = [_plan(path, root, index, written, problems) for index, written in enumerate(file.plans)]
    known = [plan for plan in packed if plan is not None]
    _refuse_equal_plans(root, known, problems)
    if not problems:
        for plan in known:
            problems += _contradictions(plan, sound)
    if problems:
        raise EstateErrors(problems)
    several = len(known) > 1
    return Sweep(
        tuple(_scenario(each.name, plan, each.settings, several) for plan in known for each in sound), seeds, version()
    )


def _contradictions(plan: PlanBytes, sound: Sequence[Sound]) -> Iterator[Problem]:
    """Scenarios that the plan contradicts, e.g. a week without runs: found before the first run, not in the tenth hour.

    Only dates and names can be contradicted, so scenarios that agree in them are looked at once.
    """
    seen: set[str] = set()
    for each in sound:
        decides = subject.what_decides(each.settings)
        if (key := repr(decides)) in seen:
            continue
        seen.add(key)
        try:
            subject.check(plans.unpack(plan), each.settings)
        except FolderError as error:
            text = f"計画 {plan.written} では模擬できません（条件{shown(each.name)}）。{error.message}"
            yield each.problem(decides, text)


def tasks(sweep: Sweep) -> list[Task]:
    """Every simulation of the sweep once, scenario by scenario."""
    found: dict[str, Task] = {}
    for scenario in sweep.scenarios:
        for seed in sweep.seeds:
            task = _task(sweep, scenario, seed)
            found.setdefault(task.key, task)
    return list(found.values())


def task_key(scenario: Scenario, seed: int) -> str:
    """What the result of a scenario with a seed depends on, as one sha256."""
    return hashlib.sha256(f"{scenario.key} {seed}".encode()).hexdigest()


def _task(sweep: Sweep, scenario: Scenario, seed: int) -> Task:
    settings = json.dumps({**json.loads(scenario.settings_json), "seed": seed}, sort_keys=True)
    key = task_key(scenario, seed)
    return Task(key, scenario.name, scenario.key, scenario.plan.digest, settings, seed, sweep.version)


def _scenario(name: str, plan: PlanBytes, settings: Settings, several: bool) -> Scenario:
    document = settings.model_dump(mode="json", exclude={"seed"})
    text = json.dumps(document, sort_keys=True, ensure_ascii=False)
    key = hashlib.sha256("\n".join((version(), plan.digest, text)).encode()).hexdigest()
    return Scenario(f"{plan.written}：{name}" if several else name, plan, text, key)


def _seeds(root: Node, file: SweepFile, problems: list[Problem]) -> tuple[int, ...]:
    if isinstance(file.seeds, SeedRange):
        if file.seeds.from_ + file.seeds.count > 2**63:
            text = "種が大きすぎます。from + count を 2 の 63 乗以下にしてください"
            problems.append(find(root, ("seeds", "from")).node.problem("seeds.from", text))
        return tuple(range(file.seeds.from_, file.seeds.from_ + file.seeds.count))
    # A list whose only item was wrong is empty too; then the item has been named.
    if not file.seeds and not any(problem.path.startswith("seeds") for problem in problems):
        text = "種が一つもありません。一つ以上書いてください"
        problems.append(find(root, ("seeds",)).node.problem("seeds", text))
    seen: set[int] = set()
    for index, seed in enumerate(file.seeds):
        if seed in seen:
            place = find(root, ("seeds", index))
            problems.append(
                place.node.problem(place.label, f"同じ種が二つあります（{seed}）。どちらかを消してください")
            )
        seen.add(seed)
    return file.seeds


def _refuse_too_many(
    root: Node, axes: Axes, scenarios: int, plan_count: int, seeds: int, problems: list[Problem]
) -> None:
    if scenarios > MOST_SCENARIOS:
        sizes = axes.sizes() + (f" × 計画 {plan_count}" if plan_count > 1 else "")
        text = (
            f"条件の組み合わせが多すぎます（{sizes} = {scenarios:,} 通り）。"
            f"上限は {MOST_SCENARIOS:,} 通りです。値を減らすか、ファイルを分けてください"
        )
        place = find(root, ("axes",))
        problems.append((place.key or place.node).problem("axes", text))
    elif scenarios * seeds > MOST_RUNS:
        text = (
            f"模擬が多すぎます（条件 {scenarios:,} × 種 {seeds:,} = {scenarios * seeds:,} 回）。"
            f"上限は {MOST_RUNS:,} 回です。種か条件を減らしてください"
        )
        place = find(root, ("seeds",))
        problems.append((place.key or place.node).problem("seeds", text))


def _plan(path: Path, root: Node, index: int, written: str, problems: list[Problem]) -> PlanBytes | None:
    try:
        return plans.pack(path.parent / written, written)
    except FolderError as error:
        place = find(root, ("plans", index))
        problems.append(place.node.problem(place.label, f"計画フォルダーが読めません。{error.message}"))
    return None


def _refuse_equal_plans(root: Node, known: list[PlanBytes], problems: list[Problem]) -> None:
    seen: dict[str, PlanBytes] = {}
    for index, plan in enumerate(known):
        first = seen.setdefault(plan.digest, plan)
        if first is not plan:
            place = find(root, ("plans", index))
            text = f"{first.written} と同じ計画です。どちらかを消してください"
            problems.append(place.node.problem(place.label, text))
