"""The scenario file, and what a sweep is once every scenario of it has been found sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from estate.base_records import Record, Text

MOST_SCENARIOS = 10_000
MOST_RUNS = 200_000
"""Scenarios times seeds. Each is a file, and a simulation of a second or more."""

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Value: TypeAlias = bool | int | float | str | None
"""One setting as written; whether it is a sound one is found after merging, with all settings of its scenario."""
Bundle: TypeAlias = dict[str, Value]
"""Several settings that vary together, and their `name`."""


class SeedRange(Record):
    """`count` seeds in a row, the first of them `from`."""

    from_: Seed = Field(alias="from")
    count: Annotated[int, Field(ge=1, le=MOST_RUNS)]


class SweepFile(Record):
    """`SCENARIOS.yaml`."""

    format: Literal[1]
    plans: Annotated[tuple[Text, ...], Field(max_length=100)]
    """Plan folders, relative to the file."""
    settings: dict[str, Value] = {}  # noqa: RUF012  (pydantic copies it)
    """What holds in every scenario that does not say otherwise."""
    axes: dict[str, tuple[Value | Bundle, ...]] = {}  # noqa: RUF012  (as above)
    """Field -> its values, or a free name -> records of several fields; every combination is a scenario."""
    scenarios: tuple[Bundle, ...] = ()
    """Named single ones, before the combinations."""
    seeds: tuple[Seed, ...] | SeedRange = (0,)


@dataclass(frozen=True)
class PlanBytes:
    """A plan folder that can travel: its files, and the digest of all that a simulation reads of it."""

    written: str
    """The path as the scenario file has it."""
    digest: str
    files: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Scenario:
    """One set of circumstances for one plan. Scenarios of equal `key` are the same simulation."""

    name: str
    plan: PlanBytes
    settings_json: str
    """All settings, defaults too, but for the seed."""
    key: str
    """sha256 over plan, settings and version of the simulation."""


@dataclass(frozen=True)
class Task:
    """One simulation: a scenario with a seed. Small: the plan travels apart."""

    key: str
    scenario: str
    """The scenario's name, for messages."""
    scenario_key: str
    plan_digest: str
    settings_json: str
    """With the seed."""
    seed: int
    version: str
    """Digest of the simulation's version (see `version.py`): other machines must have the same."""


@dataclass(frozen=True)
class Finished:
    """A simulation's figures as the bytes of a Parquet file."""

    data: bytes


@dataclass(frozen=True)
class Failed:
    """Why there are no figures: one Japanese sentence, and the traceback where it is a fault of the program."""

    reason: str
    traceback: str = ""


Outcome: TypeAlias = Finished | Failed
Work: TypeAlias = Callable[[PlanBytes, Task], Outcome]


@dataclass(frozen=True)
class Sweep:
    """A sweep that may begin: every scenario is sound."""

    scenarios: tuple[Scenario, ...]
    seeds: tuple[int, ...]
    version: str

    @property
    def plans(self) -> tuple[PlanBytes, ...]:
        """The plan folders, in the order of the file."""
        return tuple({scenario.plan.digest: scenario.plan for scenario in self.scenarios}.values())
