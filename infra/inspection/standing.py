"""What Pulumi's records of a plan's stacks say: every libvirt resource with its host, and each stack's own outputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.recovery import checkpoint
from infra.recovery.checkpoint import CheckpointError

LIBVIRT = "libvirt:index/"


@dataclass(frozen=True)
class Resource:
    """A libvirt resource of a stack's record. `id`: a domain's UUID, a volume's path."""

    stack: str
    kind: str
    """`Domain`, `Volume`, `Pool`, `Network`."""
    name: str
    """As the program calls it."""
    host: str
    id: str
    inputs: Mapping[str, Any]

    @property
    def called(self) -> str:
        """As its host calls it."""
        return str(self.inputs.get("name") or self.name)

    @property
    def pool(self) -> str:
        """The pool of a volume."""
        return str(self.inputs.get("pool") or "")


@dataclass(frozen=True)
class Standing:
    """The stacks that were ever built."""

    resources: tuple[Resource, ...] = ()
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, kind: str) -> tuple[Resource, ...]:
        """The resources of one kind."""
        return tuple(each for each in self.resources if each.kind == kind)

    def domains(self) -> dict[str, Resource]:
        """VM to its Domain."""
        return {each.name: each for each in self.of("Domain")}

    def volumes(self) -> dict[tuple[str, str, str], Resource]:
        """Host, pool and name to the volume."""
        return {(each.host, each.pool, each.called): each for each in self.of("Volume")}


def read(stacks: Iterable[str], project: Path, environment: Mapping[str, str]) -> Standing:
    """What the records have for these stacks; those that were never built are left out. Raises CheckpointError."""
    found: list[Resource] = []
    outputs: dict[str, Mapping[str, Any]] = {}
    for stack in stacks:
        deployment = checkpoint.export(project, environment, stack)
        if deployment is not None:
            resources, outputs[stack] = parse(stack, deployment)
            found += resources
    return Standing(tuple(found), outputs)


def parse(stack: str, deployment: Mapping[str, Any]) -> tuple[list[Resource], Mapping[str, Any]]:
    """The libvirt resources of a stack's record, and the stack's outputs. Raises CheckpointError."""
    found: list[Resource] = []
    outputs: Mapping[str, Any] = {}
    try:
        for each in deployment.get("resources") or ():
            kind = str(each["type"])
            if kind == checkpoint.STACK:
                outputs = each.get("outputs") or {}
            # What is to be deleted later is gone for the program; what is external was only looked up.
            if kind.startswith(LIBVIRT) and not each.get("delete") and not each.get("external"):
                found.append(
                    Resource(
                        stack=stack,
                        kind=kind.rpartition(":")[2],
                        name=str(each["urn"]).rpartition("::")[2],
                        host=str(each.get("provider") or "::::").split("::")[-2],
                        id=str(each.get("id") or ""),
                        inputs=each.get("inputs") or {},
                    )
                )
    except (KeyError, TypeError, AttributeError, IndexError):
        raise CheckpointError(f"{stack}：状態の記録を読めません（形式が違います）") from None
    return found, outputs
