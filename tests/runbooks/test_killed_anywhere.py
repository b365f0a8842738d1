"""Every shipped procedure, killed at every moment of every step and resumed: it ends as if nobody had killed it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runbooks.reaching.transport import Completed, Order
from runbooks.running.confirmation import Consent
from runbooks.running.journal import Entry, Journal
from runbooks.running.run import Request, Result, carry_out
from runbooks.text.library import Library
from runbooks.text.names import Site
from runbooks.text.records import Precondition
from tests.runbooks.fake import Answer, FakeMachines
from tests.runbooks.test_cases import cases, changed, parameters

LIBRARY = Library()
BEFORE, WITHIN, AFTER = "before", "within", "after"
MOMENTS = (BEFORE, WITHIN, AFTER)
CASES = [case for case in cases() if case["outcome"] == "done"]
FAILING = [case for case in cases() if case["outcome"] == "failed"]


class KilledError(BaseException):
    """The runner is gone."""


class LastWord(Journal):
    """A journal that knows what it wrote last: which step's which phase the next command is."""

    last: Entry

    def append(self, kind: str, run: str, **said: object) -> Entry:
        self.last = super().append(kind, run, **said)
        return self.last

    @property
    def asked(self) -> tuple[str, str]:
        return self.last.data["step"], self.last.data["phase"]


class Listening(FakeMachines):
    """Answers from the case's list, and keeps the answers by step and phase."""

    def listen(self, journal: LastWord) -> None:
        self.journal = journal
        self.heard: dict[tuple[str, str], Completed] = {}
        self.applied: list[str] = []
        self.undone: list[str] = []

    def run(self, machine: str, order: Order) -> Completed:
        step, phase = self.journal.asked
        self.heard[step, phase] = super().run(machine, order)
        if phase == "apply":
            self.applied.append(step)
        if phase == "rollback":
            self.undone.append(step)
        return self.heard[step, phase]


class World:
    """Machines as they really are: a step is undone until its command was run, and done from then on."""

    def __init__(self, runbook: str, journal: LastWord, calm: Listening) -> None:
        self.runbook, self.journal, self.calm = runbook, journal, calm
        self.applied: list[str] = []
        self.half: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self.undone: list[str] = []
        self.kill: Callable[[str, str], str] = lambda _step, _phase: ""

    def run(self, machine: str, order: Order) -> Completed:
        step, phase = self.journal.asked
        moment = self.kill(step, phase)
        self.asked.append((step, phase))
        if moment == BEFORE:
            raise KilledError
        if phase == "apply":
            if moment == WITHIN:
                self.half.add(step)
                raise KilledError
            self.half.discard(step)
            self.applied.append(step)
        if phase == "rollback":
            self.undone.append(step)
        if moment == AFTER:
            raise KilledError
        return Completed(self._code(step, phase, order), self._said(step, phase), "", 0.01)

    def _code(self, step: str, phase: str, order: Order) -> int:
        if phase == "rollback_verify":
            expected = self.calm.heard[step, phase].code
            return expected if step in self.undone else 1 - expected
        if phase == "apply":
            return self._heard(step, phase)
        if phase == "precondition" and is_once(self.runbook, step):
            # What is asked once does not hold any more as soon as the run has begun to change things.
            below = step.rpartition("/")[0]
            return 1 if any(each.startswith(below) for each in (*self.applied, *self.half)) else 0
        if phase in ("check", "verify") and step in self.calm.applied:
            if phase == "check" and order.command.strip() == "false":
                return 1
            # Half of it is enough for many a check, and never for the proof.
            done = step in self.applied or (phase == "check" and step in self.half)
            return (self._heard(step, phase) if phase == "verify" else 0) if done else 1
        return self._heard(step, phase)

    def _heard(self, step: str, phase: str) -> int:
        """What the undisturbed run was told there; 0 where it never asked."""
        return self.calm.heard[step, phase].code if (step, phase) in self.calm.heard else 0

    def _said(self, step: str, phase: str) -> str:
        heard = self.calm.heard.get((step, phase))
        return heard.stdout if heard is not None and phase in ("fact", "input") else ""

    def hold(self, machine: str, name: str, holder: str, seconds: float) -> None:
        """Nobody else is there."""

    def close(self) -> None:
        """Nothing to let go of."""


def is_once(runbook: str, key: str) -> bool:
    """Whether the precondition of that key is asked once only, in the runbook that a run of `runbook` calls there."""
    *calls, own = [part.partition("@")[0] for part in re.sub(r"\[[^\]]*\]", "", key).split("/")]
    book = LIBRARY.get(runbook)
    for call in calls:
        (name,) = [step.runbook for step in book.steps if step.id == call]
        assert name is not None
        book = LIBRARY.get(name)
    return any(isinstance(record, Precondition) and record.once for record in book.readings if record.id == own)


WIRES = {"format_version": "1.0", "hosts": {}, "gateways": {"dc": {"kind": "vlan", "device": "up0"}}}


class Bench:
    """One case, run undisturbed first."""

    def __init__(self, case: dict[str, Any], plan: Any, root: Path) -> None:
        self.case, self.root, self.other = case, root, plan.path
        layout = changed(plan.layout, case.get("plan", {}))
        uplinks = root / "uplinks.json"
        uplinks.write_text(json.dumps(WIRES))
        uris = {host.id: f"qemu+ssh://ops@{host.id}/system" for host in layout.hosts}
        for name, text in case.get("secrets", {}).items():
            path = root / "state" / "secrets" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(0o600)
            path.write_text(text)
        self.site = Site(layout, Path("/plan"), root / "state", uris, uplinks=uplinks, layout_digest="d1")
        self.calm = Listening(
            [Answer(**answer) for answer in case.get("answers", [])], unreachable=set(case.get("unreachable", []))
        )
        self.journals = 0
        self.journal = self.fresh()
        self.calm.listen(self.journal)
        result = self.run(self.calm)
        assert result.outcome == case["outcome"], result.lines

    def fresh(self) -> LastWord:
        self.journals += 1
        return LastWord(self.root / f"journal-{self.journals}")

    def run(self, machines: Any, resume: str | None = None, *, roll_back: bool = False) -> Result:
        given = {} if resume else parameters(self.case, self.other)
        return carry_out(
            Request(self.case["runbook"], given, "yamada.h", resume=resume, roll_back=roll_back),
            self.site,
            LIBRARY,
            lambda: machines,
            self.journal,
            consent=Consent(yes=True, confirm=self.case.get("confirm")),
        )

    def killed(self, step: str, moment: str) -> None:
        """Kills the run once there, resumes it, and compares its end with that of the undisturbed run."""
        self.journal = self.fresh()
        world = World(self.case["runbook"], self.journal, self.calm)
        struck: list[str] = []

        def kill(now: str, phase: str) -> str:
            if struck or (now, phase) != (step, "apply"):
                return ""
            struck.append(now)
            return moment

        world.kill = kill
        with pytest.raises(KilledError):
            self.run(world)
        run = self.journal.last.run
        result = self.run(world, resume=run)
        assert result.outcome == "done", (step, moment, result.lines)
        assert list(dict.fromkeys(world.applied)) == self.calm.applied, (step, moment)
        again = [each for each in world.applied if world.applied.count(each) > 1]
        assert set(again) <= {step}, (step, moment)
        kinds = [entry.kind for entry in self.journal.of_run(run)]
        assert kinds[-1] == "ended"
        assert not {"rolled_back", "step_failed"} & set(kinds)

    def killed_while_undoing(self, step: str, moment: str) -> None:
        """Kills the run there on its way back, and goes on with the way back."""
        self.journal = self.fresh()
        world = World(self.case["runbook"], self.journal, self.calm)
        killed: list[str] = []

        def kill(now: str, phase: str) -> str:
            if killed or (now, phase) != (step, "rollback"):
                return ""
            killed.append(now)
            return moment

        world.kill = kill
        with pytest.raises(KilledError):
            self.run(world)
        result = self.run(world, resume=self.journal.last.run, roll_back=True)
        assert result.outcome == "rolled back", (step, moment, result.lines)
        assert list(dict.fromkeys(world.undone)) == self.calm.undone, (step, moment)

    def killed_while_asking(self) -> None:
        """Kills the run at the last thing that it asks once, and resumes it: nothing is taken for granted."""
        self.journal = self.fresh()
        world = World(self.case["runbook"], self.journal, self.calm)
        once = [key for key, phase in self.calm.heard if phase == "precondition" and is_once(self.case["runbook"], key)]
        killed: list[str] = []

        def kill(now: str, phase: str) -> str:
            if killed or now != once[-1] or phase != "precondition":
                return ""
            killed.append(now)
            return BEFORE

        world.kill = kill
        if not once:
            return
        with pytest.raises(KilledError):
            self.run(world)
        world.asked.clear()
        assert self.run(world, resume=self.journal.last.run).outcome == "done"
        first = next((number for number, (_, phase) in enumerate(world.asked) if phase == "apply"), None)
        assert set(once) <= {step for step, phase in world.asked[:first] if phase == "precondition"}


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch):
    """Thousands of lines are written, and no machine is going to lose its power."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr("runbooks.running.run.commit", lambda: "c1")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['runbook']}: {case['title']}")
def test_killed_and_resumed_it_ends_as_if_undisturbed(case, plan, tmp_path):
    bench = Bench(case, plan, tmp_path)
    bench.killed_while_asking()
    for step in bench.calm.applied:
        for moment in MOMENTS:
            bench.killed(step, moment)


@pytest.mark.parametrize("case", FAILING, ids=lambda case: f"{case['runbook']}: {case['title']}")
def test_killed_on_its_way_back_it_goes_on_with_that(case, plan, tmp_path):
    bench = Bench(case, plan, tmp_path)
    for step in bench.calm.undone:
        for moment in (BEFORE, AFTER):
            bench.killed_while_undoing(step, moment)


def test_some_cases_lead_back():
    assert {"migrate-vm", "restore-vm"} <= {case["runbook"] for case in FAILING}
