"""Could the runs of the busy season do without the temporary vCPUs, at other times?

The schedule that is found goes through the plan's own independent checkers before anybody is told that it works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from types import ModuleType

import numpy as np
import pyarrow as pa

from layout.checkers import capacity, deadlines, exclusivity, precedence, rerun, slots, view, windows
from layout.folder import PlanFolder
from layout.licence_records import RemedyResult, RetimedRun
from layout.records import VcpuInterval, VmRecord
from layout.tables import TIME

from .changed_layouts import Span, without_changes
from .night_schedule import Nights, Outcome, Placed
from .options import Group, impossible, possible

MOST_VMS = 60
"""So many VMs of a plan are looked at; a plan with more has another problem than the hour of a run."""

_CHECKERS = (windows, deadlines, precedence, slots, exclusivity, rerun, capacity)
_OF_VCPUS = (slots,)
"""What fewer vCPUs can break where no run changes."""


@dataclass
class Retiming:
    """The runs of one plan folder, looked at VM by VM as often as asked."""

    plan: PlanFolder
    _known: dict[tuple[str, tuple[VcpuInterval, ...]], Outcome] = field(default_factory=dict)

    @cached_property
    def _nights(self) -> Nights:
        return Nights(view.look(self.plan))

    def _problems(self, checker: ModuleType) -> int:
        """What a checker finds in the plan as it is."""
        count: int = checker.check(self._nights.view).count
        return count

    def outcome(self, vm: VmRecord, dropped: tuple[VcpuInterval, ...]) -> Outcome:
        """Answers whether the VM's runs fit without these temporary vCPUs."""
        key = (vm.id, dropped)
        if key not in self._known:
            if len(self._known) >= MOST_VMS:
                return Outcome("unknown", (), f"{vm.id}：{MOST_VMS} 台を超えるため調べていない")
            self._known[key] = self._nights.without(vm, dropped)
        return self._known[key]

    def accepted(self, dropped: Mapping[str, Sequence[VcpuInterval]], placed: Sequence[Placed]) -> bool:
        """Answers whether the checkers find nothing new in the plan with these runs moved and these vCPUs gone."""
        changed = replace(
            self.plan, layout=without_changes(self.plan.layout, dropped), runs=_moved(self.plan.runs, self, placed)
        )
        checkers = _CHECKERS if placed else _OF_VCPUS
        found = view.look(changed)
        return all(
            now == 0 or now <= self._problems(checker) for checker in checkers for now in (checker.check(found).count,)
        )

    def runs(self, placed: Sequence[Placed]) -> tuple[RetimedRun, ...]:
        """Answers the runs that start at another time or take longer, in order of time."""
        nights = self._nights.view

        def moment(microseconds: int) -> object:
            return nights.folder.estate.start + timedelta(microseconds=microseconds)

        return tuple(
            RetimedRun.model_validate(
                {
                    "run": nights.run_id(p.row),
                    "planned": moment(int(nights.start[p.row])),
                    "start": moment(p.start),
                    "end": moment(p.end),
                }
            )
            for p in sorted(placed, key=lambda p: p.start)
            if (p.start, p.end) != (int(nights.start[p.row]), int(nights.end[p.row]))
        )


def retime(group: Group, retiming: Retiming) -> tuple[RemedyResult, dict[str, tuple[RetimedRun, ...]]]:
    """Answers the remedy for the whole group, and per VM the runs that change.

    VMs whose runs fit keep their normal number of vCPUs; what is missing for the others is bought.
    """
    wanted = _temporary(group)
    if not wanted:
        return impossible("retime", "時間をずらす：一時的な vCPU の増加による不足ではありません"), {}
    vms = {vm.id: vm for vm in retiming.plan.layout.vms}
    outcomes = {name: retiming.outcome(vms[name], dropped) for name, dropped in wanted.items()}
    fitting = {name: wanted[name] for name, outcome in outcomes.items() if outcome.verdict == "possible"}
    others = _others(outcomes)
    if not fitting:
        return impossible("retime", f"時間をずらす：{others}"), {}
    placed = [run for name in fitting for run in outcomes[name].placed]
    if not retiming.accepted(fitting, placed):
        return impossible("retime", "時間をずらす：不明（仮想サーバの中では置けたが、計画の検査に通らない）"), {}
    trial = group.trial.on(without_changes(group.trial.layout, fitting))
    if trial.missing >= group.trial.missing:
        return impossible("retime", "時間をずらす：増やさなくても不足は減りません"), {}
    runs = {name: retiming.runs(outcomes[name].placed) for name in fitting}
    rest = group.rest(trial)
    number = sum(len(own) for own in runs.values())
    names = sorted(fitting)
    shown = names[0] + (f" ほか {len(names) - 1} 台" if len(names) > 1 else "")
    because = (
        f"{shown} の繁忙期の vCPU 増をやめ、処理 {number} 件を枠の中で置き直す（通常の vCPU での長さ、期限、前後関係、"
        f"再実行の余裕を独立した検査で確かめた）。{rest.because}"
        + (f"。{others}" if others else "")
        + "。失うもの：夜間の余裕が減る"
    )
    return possible("retime", rest, because), runs


def _temporary(group: Group) -> dict[str, tuple[VcpuInterval, ...]]:
    """VMs that may cause the shortage by temporary vCPUs, and these intervals."""
    found = {}
    spans: dict[str | None, list[Span]] = {}
    for violation in group.violations:
        if violation.vm is None or violation.busy_season:
            spans.setdefault(violation.vm, []).append((violation.from_, violation.until))
    for vm in group.trial.layout.vms:
        own = [*spans.get(vm.id, []), *spans.get(None, [])]
        dropped = tuple(
            change
            for change in vm.vcpu_changes
            if change.vcpu > vm.vcpu and any(change.from_ < end and begin < change.until for begin, end in own)
        )
        if dropped:
            found[vm.id] = dropped
    return found


def _others(outcomes: Mapping[str, Outcome]) -> str:
    reasons = {
        verdict: [outcome.reason for outcome in outcomes.values() if outcome.verdict == verdict]
        for verdict in ("impossible", "unknown")
    }
    words = {"impossible": "できない", "unknown": "不明"}
    return "。".join(
        f"{words[verdict]}（{found[0]}" + (f"、ほか {len(found) - 1} 台）" if len(found) > 1 else "）")
        for verdict, found in reasons.items()
        if found
    )


def _moved(runs: pa.Table, retiming: Retiming, placed: Sequence[Placed]) -> pa.Table:
    """The table of runs with some runs in their new places."""
    zero = int(pa.scalar(retiming.plan.estate.start, TIME).value)
    rows = np.array([p.row for p in placed], dtype=np.int64)
    times = {
        "start": [p.start for p in placed],
        "end": [p.end for p in placed],
        "window_start": [p.window[0] for p in placed],
        "window_end": [p.window[1] for p in placed],
    }
    for name, new in times.items():
        values = runs.column(name).cast(pa.int64()).to_numpy().copy()
        values[rows] = np.array(new, dtype=np.int64) + zero
        runs = runs.set_column(runs.schema.get_field_index(name), name, pa.array(values).cast(TIME))
    cores = runs.column("max_cores").to_numpy().copy()
    cores[rows] = [p.cores for p in placed]
    return runs.set_column(runs.schema.get_field_index("max_cores"), "max_cores", pa.array(cores))
