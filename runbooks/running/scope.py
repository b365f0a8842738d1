"""A runbook with its parameters bound, and the single actions that its records stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from layout.records import HostRecord, Layout, VmRecord
from runbooks.errors import RunbookError, Value
from runbooks.reaching.transport import LOCAL
from runbooks.text import parameters, templates
from runbooks.text.names import Facts
from runbooks.text.records import Reading, Runbook, Step


@dataclass
class Scope:
    """One runbook of a run. `path` says which step called it; empty for the one that was asked for."""

    runbook: Runbook
    names: Mapping[str, Any]
    """Built-in names, parameters and `let`s."""
    path: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    """The parameters' values alone."""

    def all_names(self, more: Mapping[str, Any], *, resumed: bool = False) -> dict[str, Any]:
        """Everything that a template may use now."""
        return {**self.names, **more, "facts": Facts(self.facts), "resumed": resumed}

    def value(self, expression: str) -> Value:
        """The value of an expression of the front matter."""
        return templates.value(expression, dict(self.names))


@dataclass(frozen=True)
class Instance:
    """A record for one item and one machine. `key` is its name in the journal; the same in every run."""

    key: str
    machine: str
    names: Mapping[str, Any]
    item: str = ""
    many: bool = False
    """Whether `on` was a list."""


def enter(
    runbook: Runbook, given: Mapping[str, str], layout: Layout, built_in: Mapping[str, Any], path: str = ""
) -> Scope:
    """The scope of a runbook with these parameters. Raises RunbookError."""
    values = parameters.bind(runbook.header, given, layout, built_in)
    names = {**built_in, **values}
    for name, expression in runbook.header.let.items():
        names[name] = templates.value(expression, names)
    return Scope(runbook, names, path, given=values)


def nested(scope: Scope, step: Step, instance: Instance, runbook: Runbook, built_in: Mapping[str, Any]) -> Scope:
    """The scope of the runbook that a step calls. Raises RunbookError."""
    given = {name: templates.plain(templates.value(text, instance.names)) for name, text in step.with_.items()}
    return enter(runbook, given, scope.names["layout"], built_in, instance.key)


def instances(scope: Scope, record: Reading | Step, *, resumed: bool = False) -> Iterator[Instance]:
    """The single actions of a record in order: items first, then machines. Raises RunbookError."""
    label = str(getattr(record, "id", ""))
    prefix = f"{scope.path}/" if scope.path else ""
    for name, item in _items(scope, record):
        names = scope.all_names({name: item} if name else {}, resumed=resumed)
        if record.when is not None and not templates.value(record.when, names):
            continue
        shown = _shown(item) if name else ""
        key = f"{prefix}{label}" + (f"[{shown}]" if name else "")
        found = templates.value(record.on, names)
        many = isinstance(found, (list, tuple))
        for machine in found if many else [found]:
            id_ = _machine(machine)
            yield Instance(f"{key}@{id_}" if many else key, id_, {**names, "machine": id_}, shown, many)


def _items(scope: Scope, record: Reading | Step) -> Iterator[tuple[str, Any]]:
    if not record.each:
        yield "", None
        return
    ((name, expression),) = record.each.items()
    found = templates.value(expression, scope.all_names({}))
    if not isinstance(found, (list, tuple)):
        raise RunbookError(f"each の式「{expression}」はリストではありません")
    for item in found:
        yield name, item


def _shown(item: Value) -> str:
    named = getattr(item, "id", None) or getattr(item, "name", None)
    return str(named) if named else templates.plain(item)[:80]


def _machine(thing: Value) -> str:
    if isinstance(thing, HostRecord):
        return thing.id
    if isinstance(thing, str) and thing:
        return thing
    raise RunbookError(f"on の式の値がホストではありません（{str(thing)[:60]}）")


@dataclass(frozen=True)
class Reach:
    """What a run touches: it is locked, named in the confirmation and recorded."""

    hosts: tuple[str, ...]
    vms: tuple[str, ...]
    tenants: tuple[str, ...]

    def joined(self, other: Reach) -> Reach:
        """Both together, each name once."""
        return Reach(
            tuple(dict.fromkeys((*self.hosts, *other.hosts))),
            tuple(dict.fromkeys((*self.vms, *other.vms))),
            tuple(dict.fromkeys((*self.tenants, *other.tenants))),
        )


def reach(scope: Scope) -> Reach:
    """What the front matter says that a runbook touches. Raises RunbookError."""
    header = scope.runbook.header
    vms = [*_flat(scope, header.vms), *(v for v in scope.given.values() if isinstance(v, VmRecord) and not header.vms)]
    return Reach(
        tuple(dict.fromkeys(m for each in _flat(scope, header.hosts) if (m := _machine(each)) != LOCAL)),
        tuple(dict.fromkeys(templates.plain(each) for each in vms)),
        tuple(dict.fromkeys(templates.plain(each) for each in _flat(scope, header.tenants))),
    )


def accessed(reached: Reach, layout: Layout) -> Reach:
    """The same for the access record: whoever owns a VM of it is named, whether his service may notice or not."""
    owners = tuple(vm.tenant for vm in layout.vms if vm.id in reached.vms and vm.tenant)
    return reached.joined(Reach((), (), owners))


def _flat(scope: Scope, expressions: tuple[str, ...]) -> Iterator[Any]:
    for expression in expressions:
        found = scope.value(expression)
        yield from found if isinstance(found, (list, tuple)) else [found]


def target(scope: Scope) -> str:
    """What must be typed before something destructive: the thing that the run is about."""
    header = scope.runbook.header
    if header.target is not None:
        return templates.plain(scope.value(header.target))
    for name, parameter in header.parameters.items():
        if parameter.type in ("vm", "host", "tenant", "site", "network"):
            return templates.plain(scope.given[name])
    return scope.runbook.name
