"""Records of a runbook: what the front matter and the fenced blocks of `runbooks/NAME.md` may say.

Texts marked "expression" are Jinja expressions (`vm.host`); texts marked "command" are shell text with `{{ … }}`,
every one of which is quoted for the shell by itself.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

ParameterType = Literal[
    "vm", "host", "tenant", "site", "network", "integer", "text", "date", "path", "size_gib", "plan"
]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""A name in templates."""
Label = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
"""A step's or precondition's id."""
Line = Annotated[str, StringConstraints(min_length=1, max_length=400)]
Command = Annotated[str, StringConstraints(min_length=1, max_length=8000)]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Seconds = Annotated[int, Field(ge=1, le=7 * 86400)]

DEFAULT_STEP_S = 120
DEFAULT_READ_S = 60


class RunbookRecord(BaseModel):
    """Base: frozen, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class Parameter(RunbookRecord):
    """A value that the operator gives as `--param NAME=VALUE`."""

    type: ParameterType
    help: Line
    minimum: int | None = None
    maximum: int | None = None
    pattern: str | None = None
    """Of a text: what the whole of it must match."""
    choices: tuple[str, ...] = ()
    default: Expression | None = None
    """Expression, over the plan and the parameters before this one. Without it the parameter is required."""


class Header(RunbookRecord):
    """The front matter."""

    title: Line
    parameters: dict[Word, Parameter] = {}
    let: dict[Word, Expression] = {}
    """Expressions, in order; each may use those before it."""
    hosts: tuple[Expression, ...] = ()
    """Expressions: a host, or a list of hosts; they are locked and named in the confirmation."""
    vms: tuple[Expression, ...] = ()
    """Expressions: a VM or a list of them, named in the confirmation; by default every parameter of type vm."""
    tenants: tuple[Expression, ...] = ()
    """Expressions: whose service may notice, the blast radius."""
    target: Expression | None = None
    """What must be typed for destructive steps; by default the first parameter that names a thing of the plan."""
    impact: Line
    destructive: bool = False
    deadline_s: Seconds = 900
    unfit_plan: bool = False
    """Also runs on a plan that does not fit: in the reduced operation after a disaster there is no other."""
    on_failure: Literal["rollback", "stop"] = "rollback"
    """`stop`: steps that are done stay done (a long evacuation); the run can be resumed."""


class Reading(RunbookRecord):
    """What facts and preconditions have in common: they only read."""

    on: Expression
    """Expression: a host's id, `local` (the engineer's machine), or a list of hosts (then once per host)."""
    run: Command
    each: dict[Word, Expression] = Field(default={}, max_length=1)
    """Name -> expression of a list: once per item, the item under that name."""
    when: Expression | None = None
    deadline_s: Seconds = DEFAULT_READ_S


class Fact(Reading):
    """Something to know before anything is done; its value is `facts.ID` in templates.

    A list of hosts gives an object host -> value; `each` gives one item (by its id) -> value.
    """

    id: Word
    title: Line
    parse: Literal["integer", "text", "lines", "json"] = "text"
    wanted: Expression | None = None
    """Expression: what it is to be afterwards, for the table "current against wanted"."""
    default: Expression | None = None
    """Expression: the value where the command fails. Without it a failing command ends the run."""
    confirm: bool = False
    """Whether its value is told before the confirmation: what the operator must know to agree."""


class Precondition(Reading):
    """Exit code 0 where the run may begin. All of them run before the first step, and again before a resumed run."""

    id: Label
    title: Line
    otherwise: Line
    """What is told when it does not hold: what is wrong, and what to do."""
    once: bool = False
    """True: not asked again when a run is resumed, because the run's own steps change what it asks."""


class Step(RunbookRecord):
    """One change: `check` says whether it is done already, `apply` does it, `verify` proves it."""

    id: Label
    title: Line
    on: Expression = "'local'"
    each: dict[Word, Expression] = Field(default={}, max_length=1)
    when: Expression | None = None
    check: Command | None = None
    """Command; exit 0: done already, skip; 1: to do; anything else: failure."""
    apply: Command | None = None
    input: str | None = None
    """Template for standard input of `check`, `apply` and `verify`; not quoted, it is data."""
    input_from: Command | None = None
    """Command on the engineer's machine whose output is that standard input (a script, a list of rules)."""
    secret: str | None = None
    """Template: the name of a secret (a file below STATE/secrets). It is the standard input of `apply`, and is
    hidden in every record."""
    verify: Command | None = None
    verify_for_s: Annotated[int, Field(ge=0, le=86400)] = 0
    """For how long `verify` is asked again until it holds (a guest that boots, a service that starts)."""
    rollback: Command | None = None
    rollback_verify: Command | None = None
    """Command; exit 0 after the rollback. Without it `check` must say "to do" again."""
    no_rollback: Line | None = None
    """Why there is no way back (and why that does no harm), where there is no `rollback`."""
    runbook: Label | None = None
    """Name of another runbook that does this step, instead of commands."""
    with_: dict[Word, Expression] = Field(default={}, alias="with")
    """Expressions: the parameters of that runbook."""
    deadline_s: Seconds = DEFAULT_STEP_S
    destructive: bool = False
    confirm: Line | None = None
    sudo: bool = False
    """Needs root on the host: `sudo -n` where the login is another user."""
    keep_output: bool = False
    """The output of `apply` itself goes into the journal (bounded), not only its digest."""
    tell_output: bool = False
    """What `apply` says on standard output is told to the operator (its last lines)."""
    commit: bool = False
    """Point of no return: once this step is done, a later failure undoes nothing up to here."""
    tolerate_percent: Annotated[int, Field(ge=0, le=100)] = 0
    """Of several instances, how many percent may fail without ending the run; it still ends as failed."""


Block: TypeAlias = Fact | Precondition | Step


class Runbook(RunbookRecord):
    """A whole runbook. Facts and preconditions run in the order in which they are written."""

    name: str
    header: Header
    readings: tuple[Fact | Precondition, ...]
    steps: tuple[Step, ...]
    digest: str
    """sha256 of the file's bytes: which version of the procedure was followed."""
    text: str
    """The file as written, for paper."""

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Its facts."""
        return tuple(each for each in self.readings if isinstance(each, Fact))

    @property
    def preconditions(self) -> tuple[Precondition, ...]:
        """Its preconditions."""
        return tuple(each for each in self.readings if isinstance(each, Precondition))
