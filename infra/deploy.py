"""Builds a plan: its stacks in order, each proven by a preview that finds nothing left to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra import admission, engine, recovery, settings
from infra.admission import BaseImage, Deployed
from infra.engine import EngineError, Outcome
from infra.refusal import RefusalError
from layout import folder
from layout.folder import PlanFolder

PARALLEL = 8  # operations at once; more only queue at libvirtd


class DeployError(Exception):
    """A stack could not be built; later ones were not begun. Japanese, then the engine's own error lines."""


@dataclass(frozen=True)
class StackResult:
    """What a stack's update did: resources by kind of change, and how long it took with its check."""

    name: str
    created: int
    updated: int
    deleted: int
    unchanged: int
    seconds: float


@dataclass(frozen=True)
class DeployResult:
    """A plan that stands: every stack was updated, and a preview right afterwards found no change."""

    plan: PlanFolder
    stacks: tuple[StackResult, ...]

    @property
    def verdict(self) -> str:
        """The answer in one line."""
        made = sum(stack.created + stack.updated + stack.deleted for stack in self.stacks)
        did = f"変更 {made} 件" if made else "変更なし"
        return (
            f"判定：構築済み — スタック {len(self.stacks)}、仮想サーバ {len(self.plan.layout.vms)} 台"
            f"（{did}、直後の pulumi preview に差分なし）"
        )


def deploy(
    plan: Path,
    *,
    state: Path,
    domain_type: str = "kvm",
    uris: Path | None = None,
    deadline_s: float = 600.0,
    progress: Callable[[str], None] = lambda _: None,
) -> DeployResult:
    """Builds the plan folder's stacks in order: hosts of each site, shared VMs, tenants.

    `state` keeps the engine's state unless the environment names a backend. Each update and each check has
    `deadline_s` seconds. Before anything is touched raises FolderError and RefusalError, then DeployError.
    """
    judged = folder.read(plan.resolve())
    config = _config(judged, domain_type, uris)
    chosen = settings.read(config, Path.cwd())
    images = _require_ready(judged, chosen)
    state = state.resolve()
    names = admission.stack_names(judged.layout)
    try:
        with recovery.only_one(state, progress=progress):
            environment = {**engine.environment(state, progress), **recovery.marks(state)}
            running = engine.Engine(engine.project(state), environment, state / "logs")
            ground = recovery.Ground(
                running,
                state,
                judged.layout,
                judged.layout_digest,
                {host.id: admission.uri_of(host, chosen) for host in judged.layout.hosts},
                images,
                progress=progress,
            )
            for stack in names:
                recovery.settle(ground, stack)
            return DeployResult(
                judged, tuple(_build(running, ground, stack, config, deadline_s, progress) for stack in names)
            )
    except (EngineError, *recovery.ERRORS) as error:
        raise DeployError(str(error)) from None
    except OSError as error:
        raise DeployError(f"状態フォルダーに書けません：{error}") from None


def engine_environment(state: Path) -> dict[str, str]:
    """The variables with which `pulumi` works on that state by hand. Raises DeployError."""
    try:
        return engine.environment(state.resolve(), lambda _: None)
    except EngineError as error:
        raise DeployError(str(error)) from None


def _config(plan: PlanFolder, domain_type: str, uris: Path | None) -> dict[str, str]:
    config = {"plan": str(plan.path), "domain_type": domain_type}
    if uris is not None:
        config["uris"] = str(uris.resolve())
    return config


def _require_ready(plan: PlanFolder, chosen: settings.Settings) -> dict[str, BaseImage]:
    """What the program of every stack would refuse, and what the provider needs; answers the base images."""
    admission.require_sound(plan)
    layout = plan.layout
    for host in layout.hosts:
        admission.uri_of(host, chosen)
    images: dict[str, BaseImage] = {}
    for site in dict.fromkeys(host.site for host in layout.hosts):
        needed = {image for names in admission.base_images(site, layout).values() for image in names}
        images |= admission.find_images(needed, layout, chosen, Deployed({}, frozenset()))
    if shutil.which("xsltproc") is None:
        raise RefusalError("xsltproc がありません（仮想サーバの定義に使います。Debian のパッケージ：xsltproc）")
    return images


def _build(
    running: engine.Engine,
    ground: recovery.Ground,
    stack: str,
    config: dict[str, str],
    deadline_s: float,
    progress: Callable[[str], None],
) -> StackResult:
    progress(f"{stack}：構築しています")
    running.command("stack", "select", "--create", stack)
    if "uris" not in config:
        running.command("config", "rm", "uris", "--stack", stack)
    options = [word for key, value in config.items() for word in ("--config", f"{key}={value}")]
    with recovery.attempt(ground, stack):
        done = running.run(stack, "up", "--yes", "--parallel", str(PARALLEL), *options, deadline_s=deadline_s)
        _require(done, stack, "構築", deadline_s)
    # Refreshed: without it the engine compares the program with its own record and calls a host that lost its
    # VMs, or a laboratory that was taken down since, built.
    asked = ("preview", "--refresh", "--expect-no-changes", "--parallel", str(PARALLEL))
    check = running.run(stack, *asked, deadline_s=deadline_s)
    _require(check, stack, "構築直後の実機との照合（pulumi preview --refresh --expect-no-changes）", deadline_s)
    changes = done.changes
    result = StackResult(
        stack,
        created=changes.get("create", 0),
        updated=changes.get("update", 0) + changes.get("replace", 0),
        deleted=changes.get("delete", 0),
        unchanged=changes.get("same", 0),
        seconds=done.seconds + check.seconds,
    )
    progress(
        f"{stack}：作成 {result.created}、更新 {result.updated}、削除 {result.deleted}、変更なし {result.unchanged}"
        f"（{result.seconds:.1f} 秒、直後の preview に差分なし）"
    )
    return result


def _require(outcome: Outcome, stack: str, step: str, deadline_s: float) -> None:
    if outcome.timed_out:
        still = "\n".join(f"  {each}" for each in outcome.unfinished[:8])
        waiting = f"。終わらないもの：\n{still}" if still else ""
        raise DeployError(
            f"{stack}：{step}が {deadline_s:.0f} 秒で終わらないので止めました（記録：{outcome.log}）{waiting}"
        )
    if outcome.returncode != 0:
        lines = engine.explained(outcome.errors)
        raise DeployError("\n".join((f"{stack}：{step}に失敗しました（記録：{outcome.log}）", *lines)))
