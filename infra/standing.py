"""What Pulumi believes stands: the resources of a plan's stacks, read from the state without waking the engine.

With the file backend each stack is one JSON file, which is read directly: asking the engine takes a second for each
of some forty stacks. With any other backend `pulumi stack export` is asked.
"""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.engine import EngineError

PROJECT = "kumiai"
DEADLINE_S = 60.0
LIBVIRT = "libvirt:index/"


@dataclass(frozen=True)
class Resource:
    """A libvirt resource of a stack's state. `id`: a domain's UUID, a volume's path."""

    stack: str
    kind: str
    """`Domain`, `Volume`, `Pool`, `Network`."""
    name: str
    host: str
    id: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    protected: bool


@dataclass(frozen=True)
class Standing:
    """The stacks that were ever built, their resources, and what each said of itself."""

    resources: tuple[Resource, ...] = ()
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pending: frozenset[str] = frozenset()
    """URNs of what an interrupted run was creating."""

    def of(self, kind: str) -> tuple[Resource, ...]:
        """The resources of one kind."""
        return tuple(each for each in self.resources if each.kind == kind)

    def domain(self, vm: str) -> Resource | None:
        """The Domain of a VM, as the state has it."""
        return next((each for each in self.resources if each.kind == "Domain" and each.name == vm), None)


def read(stacks: Iterable[str], project: Path, environment: Mapping[str, str]) -> Standing:
    """What the state has for these stacks; those that were never built are left out. Raises EngineError."""
    backend = environment.get("PULUMI_BACKEND_URL", "")
    found: list[Resource] = []
    outputs: dict[str, Mapping[str, Any]] = {}
    pending: set[str] = set()
    for stack in stacks:
        deployment = (
            _from_file(Path(backend.removeprefix("file://")), stack)
            if backend.startswith("file://")
            else _exported(stack, project, environment)
        )
        if deployment is None:
            continue
        resources, said = parse(stack, deployment)
        found += resources
        outputs[stack] = said
        pending |= {
            str(each.get("resource", {}).get("urn"))
            for each in deployment.get("pending_operations") or ()
            if each.get("type") == "creating"
        }
    return Standing(tuple(found), outputs, frozenset(pending))


def parse(stack: str, deployment: Mapping[str, Any]) -> tuple[list[Resource], Mapping[str, Any]]:
    """The libvirt resources of a stack's deployment record, and the stack's outputs. Raises EngineError."""
    found: list[Resource] = []
    outputs: Mapping[str, Any] = {}
    try:
        for each in deployment.get("resources") or ():
            kind = str(each["type"])
            if kind == "pulumi:pulumi:Stack":
                outputs = each.get("outputs") or {}
            # What is to be deleted later is gone for the program, and `external` was only looked up.
            if not kind.startswith(LIBVIRT) or each.get("delete") or each.get("external"):
                continue
            found.append(
                Resource(
                    stack=stack,
                    kind=kind.rpartition(":")[2],
                    name=str(each["urn"]).rpartition("::")[2],
                    host=str(each.get("provider") or "::").split("::")[-2],
                    id=str(each.get("id") or ""),
                    inputs=each.get("inputs") or {},
                    outputs=each.get("outputs") or {},
                    protected=bool(each.get("protect")),
                )
            )
    except (KeyError, TypeError, AttributeError, IndexError):
        raise EngineError(f"スタック「{stack}」の状態を読めません（形式が違います）") from None
    return found, outputs


def _from_file(backend: Path, stack: str) -> Mapping[str, Any] | None:
    path = backend / ".pulumi" / "stacks" / PROJECT / f"{stack}.json"
    packed = path.with_name(path.name + ".gz")
    try:
        data = gzip.decompress(packed.read_bytes()) if packed.exists() else path.read_bytes()
        document = json.loads(data)
        latest = document["checkpoint"]["latest"]
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EngineError(f"スタック「{stack}」の状態を読めません（{error.strerror or error}）") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise EngineError(
            f"スタック「{stack}」の状態が壊れています（{path}）。kumiai deploy は Pulumi の控えから戻します"
        ) from None
    return latest or {}


def _exported(stack: str, project: Path, environment: Mapping[str, str]) -> Mapping[str, Any] | None:
    command = ["pulumi", "stack", "export", "--stack", stack, "--non-interactive", "--color", "never"]
    done = _run(command, project, environment)
    if done.returncode != 0:
        if "no stack named" in done.stderr:
            return None
        raise EngineError(f"スタック「{stack}」の状態を読めません（{done.stderr.strip()[:300]}）")
    try:
        deployment: Mapping[str, Any] = json.loads(done.stdout)["deployment"]
    except (ValueError, KeyError, TypeError):
        raise EngineError(f"スタック「{stack}」の状態を読めません（pulumi stack export の出力が違います）") from None
    return deployment or {}


def _run(command: Sequence[str], project: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, cwd=project, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", timeout=DEADLINE_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise EngineError(f"pulumi stack export が {DEADLINE_S:.0f} 秒で終わりません") from None
