"""The program without an engine: runs it against Pulumi's mocks and keeps what it registered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import pulumi
from pulumi.runtime import mocks, rpc

from infra import program
from infra.admission import Deployed
from infra.settings import Settings
from layout.folder import PlanFolder

NOTHING = Deployed({}, frozenset())


@dataclass(frozen=True)
class Registered:
    """A resource as it was registered. Mocks hand numbers as floats."""

    type: str
    name: str
    inputs: dict[str, Any]
    provider: str
    """Name of its provider's resource, empty for providers and components."""
    parent: str
    protect: bool
    retain: bool
    ignored: tuple[str, ...]


@dataclass
class Declared:
    """Everything that one run registered."""

    resources: list[Registered] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    def of(self, kind: str) -> list[Registered]:
        """Resources of a kind such as `Domain`, by name."""
        found = [each for each in self.resources if each.type.rpartition(":")[2] == kind]
        return sorted(found, key=lambda each: each.name)

    def one(self, name: str) -> Registered:
        (found,) = [each for each in self.resources if each.name == name and "libvirt:index" in each.type]
        return found


class Mocks(pulumi.runtime.Mocks):
    def __init__(self, outputs: dict[str, Any] | None = None, urns: tuple[str, ...] = ()) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers = {
            "pulumi:pulumi:readStackOutputs": {"outputs": outputs or {}},
            "pulumi:pulumi:readStackResourceOutputs": {"outputs": {urn: {} for urn in urns}},
        }

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return f"id-of-{args.name}", dict(args.inputs)

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        self.calls.append((args.token, args.args))
        return self.answers[args.token]


class Monitor(mocks.MockMonitor):
    """Mocks do not see options; the monitor's requests do."""

    def __init__(self, answers: Mocks, declared: Declared) -> None:
        super().__init__(answers)
        self.declared = declared

    def RegisterResource(self, request):  # noqa: N802 - Pulumi's name
        if request.type == "pulumi:pulumi:Stack":
            return super().RegisterResource(request)
        self.declared.resources.append(
            Registered(
                request.type,
                request.name,
                rpc.deserialize_properties(request.object),
                request.provider.split("::")[-2] if request.provider else "",
                request.parent.rpartition("::")[2],
                request.protect,
                request.retainOnDelete,
                tuple(request.ignoreChanges),
            )
        )
        return super().RegisterResource(request)


def declare(plan: PlanFolder, stack: str, chosen: Settings, deployed: Deployed = NOTHING) -> Declared:
    """What the program declares for a stack of the plan."""
    return run(lambda: program.declare(plan, chosen, stack, deployed), stack, Mocks())


def run(function, stack: str, answers: Mocks) -> Declared:
    """Runs a function as a Pulumi program in a stack and answers what it registered."""
    declared = Declared()
    mocks.set_mocks(
        answers, project="kumiai", stack=stack, preview=False, organization="organization",
        monitor=Monitor(answers, declared),
    )  # fmt: skip
    with mock.patch("pulumi.export", declared.outputs.__setitem__):
        pulumi.runtime.test(function)()
    return declared
