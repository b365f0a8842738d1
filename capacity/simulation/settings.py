"""Everything a simulation of a plan folder can vary: one scalar field each, so that a sweep's axes are these fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from estate import scalars
from estate.base_records import Record
from estate.problems import shown
from estate.validation import validate
from estate.yaml_reader import Node

from .engines import EngineName

Figure: TypeAlias = Literal["mean_delay_s", "worst_delay_s", "mean_overrun_s", "worst_overrun_s", "worst_lateness_s"]
"""Figures of one replication, over all judged runs, that sequential stopping can watch."""
Replications = Annotated[int, Field(ge=1, le=100_000)]
Factor = Annotated[float, Field(gt=0, le=1_000)]
Probability = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(ge=0, le=1_000)]
JAPAN = timedelta(hours=9)


class Settings(Record):
    """What `study.simulate_plan` simulates, how often, and under which circumstances; all fields have defaults.

    Fields that are null say "as the estate file says". Fill it from JSON (`model_validate_json`), so that dates may be
    written as text.
    """

    week: date | Literal["tightest"] = "tightest"
    """Any day of the week, or the week of the highest planned peak."""
    night: date | Literal["busiest"] | None = None
    """Only the night that begins on this day (noon to noon), or the one with the most batch work; null: the week."""

    engine: EngineName = "fast"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    replications: Replications = 20
    """So many; with `until_half_width_s` at least so many."""
    most_replications: Replications = 10_000
    """With `until_half_width_s`: no more than so many."""
    until_half_width_s: Annotated[float, Field(gt=0, le=1e9)] | None = None
    """Stop as soon as half the 95 % interval of `until_figure` is at most so many seconds."""
    until_figure: Figure = "worst_delay_s"

    load_factor: Factor = 1.0
    """Work, storage traffic, transfers and pages of every run, times this."""
    online_factor: Annotated[float, Field(ge=0, le=1_000)] = 1.0
    """Online load, times this."""
    online: Literal["first", "shares"] | None = None
    """Whether a VM serves its online load before its runs or shares between them."""
    windows: bool = True
    """A run whose window has closed waits for the next one; false: it starts at once."""
    storage: bool = True
    """Runs share the storage bandwidth of their host; false: storage takes no time."""
    line: bool = True
    """Backup transfers share the line to the backup site; false: they take no time."""
    printing: bool = True
    """Jobs that print share the centre's printers; false: printing takes no time."""

    vary_work: bool = True
    """The work of a run varies by the `work_cv` of its job."""
    late_start: bool = True
    failed_run: bool = True
    host_failure: bool = True
    """Hosts fail at random."""
    site_loss: bool = False
    """Sites are lost at random."""
    emergency: bool = False
    """The load after a disaster comes at the beginning (or on `emergency_from`)."""

    work_cv_factor: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Every `work_cv`, times this."""
    late_start_probability: Probability | None = None
    failed_run_probability: Probability | None = None
    host_failures_per_year: Annotated[float, Field(ge=0, le=365)] | None = None
    """Of one host."""
    site_losses_per_year: Annotated[float, Field(ge=0, le=12)] | None = None
    """Of one site."""
    emergency_cores_per_1000: Rate | None = None
    """Per system, at the peak of the worst day."""
    printers: Annotated[int, Field(ge=1, le=1_000)] | None = None
    line_mib_s: Annotated[float, Field(gt=0, le=1e9)] | None = None

    failed_host: str | None = None
    """This host fails in every replication …"""
    failed_host_at: datetime | None = None
    """… at this moment; null: at the site's planned peak if it lies in the week or night, else at its beginning."""
    lost_site: str | None = None
    """This site is lost in every replication …"""
    lost_site_at: datetime | None = None
    """… at this moment; null: as for a host."""
    emergency_from: date | None = None
    """First day of the load after the disaster; null with `emergency`: the first day simulated."""

    @field_validator("failed_host_at", "lost_site_at")
    @classmethod
    def _japanese_time(cls, moment: datetime | None) -> datetime | None:
        if moment is None or moment.utcoffset() == JAPAN:
            return moment
        if moment.tzinfo is None:
            return moment.replace(tzinfo=timezone(JAPAN))
        raise ValueError(f"日本時間（+09:00）で書いてください（{moment.isoformat()}）")

    @model_validator(mode="after")
    def _in_order(self) -> Settings:
        if self.until_half_width_s is not None and self.most_replications < self.replications:
            raise ValueError(
                f"most_replications（{self.most_replications:,}）は"
                f" replications（{self.replications:,}）以上にしてください"
            )
        for moment, what in (("failed_host_at", "failed_host"), ("lost_site_at", "lost_site")):
            if getattr(self, moment) is not None and getattr(self, what) is None:
                raise ValueError(f"{moment} には {what} も要ります")
        return self


class SettingsError(Exception):
    """Settings that no simulation takes: one Japanese line per mistake."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


def from_words(words: Mapping[str, str], spoken: Mapping[str, str] | None = None) -> Settings:
    """Settings from texts as somebody types them, by field; `spoken` has names of fields for messages.

    Raises SettingsError with every mistake.
    """
    names = {**{field: field for field in words}, **(spoken or {})}
    fields: dict[str, tuple[Node, Node]] = {}
    lines = []
    for field, word in words.items():
        try:
            value = scalars.resolve(word)
        except scalars.NotANumber:
            lines.append(f"{names[field]}: 有限の数が要ります（{shown(word)}）")
            continue
        fields[field] = (Node("", 1, 1, field, field), Node("", 1, 1, value, word))
    document = validate(Node("", 1, 1, dict(fields)), [], Settings)
    lines += [
        f"{names.get(problem.path, problem.path)}: {problem.message}" if problem.path else problem.message
        for problem in document.problems
    ]
    if lines or document.record is None:
        raise SettingsError(lines)
    return document.record
