"""Builds a plan: its stacks in order, each proven by a preview that finds nothing left to do."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra import admission, engine, judgement, settings
from infra.admission import BaseImage, Deployed
from infra.deployment import groundwork, stacks
from infra.deployment.stacks import DeployError, Down, StackResult, Work
from infra.engine import EngineError
from infra.inspection.preflight import WaitingError
from infra.judgement import Plan
from infra.recovery import recovery, room
from infra.refusal import RefusalError, some
from layout.records import Layout, VmRecord
from tools.installation import corrections

__all__ = ["DeployError", "DeployResult", "LeftOut", "StackResult", "deploy"]

AT_ONCE = 3  # engines; each takes up to 0.35 GiB (docs/deploy.md), and two cores are busy with as many


@dataclass(frozen=True)
class LeftOut:
    """A host that was not touched: why, and which of the plan's VMs were left as they are."""

    host: str
    reason: str
    vms: tuple[str, ...]


@dataclass(frozen=True)
class DeployResult:
    """What stands: each stack was updated, and a preview right afterwards found no change on the hosts that answer."""

    plan: Plan
    stacks: tuple[StackResult, ...]
    left_out: tuple[LeftOut, ...] = ()
    waiting: tuple[str, ...] = ()
    """What VMs still wait for, a line each, where a deployment after a runbook leaves everything as it is for that."""

    @property
    def complete(self) -> bool:
        """Whether nothing was left out."""
        return not self.left_out

    @property
    def verdict(self) -> str:
        """The answer in one line."""
        if self.waiting:
            return f"判定：未構築 — ほかの仮想サーバに、先に行う手順が {len(self.waiting)} 件残っています"
        made = sum(stack.created + stack.updated + stack.deleted for stack in self.stacks)
        did = f"変更 {made} 件" if made else "変更なし"
        tenants = {stack.name for stack in self.stacks}
        vms = sum(vm.tenant in tenants for vm in self.plan.layout.vms)
        if self.left_out:
            silent = sum(len(each.vms) for each in self.left_out)
            return (
                f"判定：一部未構築 — {some(each.host for each in self.left_out)} を除き、スタック {len(self.stacks)}、"
                f"仮想サーバ {vms - silent} 台（{did}、直後の pulumi preview に差分なし）。"
                f"残り {silent} 台は、ホストが答えるようになってから同じ命令で構築します"
            )
        return (
            f"判定：構築済み — スタック {len(self.stacks)}、仮想サーバ {vms} 台"
            f"（{did}、直後の pulumi preview に差分なし）"
        )


def deploy(
    plan: Path,
    *,
    state: Path,
    domain_type: str = "kvm",
    uris: Path | None = None,
    deadline_s: float = 600.0,
    stacks: Sequence[str] | None = None,
    start: str = settings.ALL,
    parallel: int = AT_ONCE,
    skip_hosts: Collection[str] = (),
    adopt: Collection[str] = (),
    remove_orphans: Collection[str] = (),
    after: str = "",
    progress: Callable[[str], None] = lambda _: None,
) -> DeployResult:
    """Builds the plan folder's stacks: hosts of each site, then shared VMs, then tenants, `parallel` engines at once.

    `stacks` are the only ones to build. `start` says which VMs are started when they are created (`all`, `none`, or
    ids with commas between). Hosts that do not answer, and `skip_hosts`, are left out with their VMs. `state` keeps
    the engine's state unless the environment names a backend. VMs of `adopt` are built over the disks that remain of
    them; `remove_orphans` are domains and volumes without a record that are to go (inspection.orphans). `after` is a VM
    whose runbook has just ended: where only other VMs' runbooks are missing, nothing is built. Each update and each
    check has `deadline_s` seconds. Before anything is touched raises FolderError and RefusalError, then
    DeployError at the first stack that fails, RefusalError where the guard refuses what its update would do; others
    that run then are let end.
    """
    state = state.resolve()
    config = _config(plan.resolve(), domain_type, uris, start)
    chosen = settings.read(config, Path.cwd())
    with _explained(state):
        room.require([state], None, 0)
        judged = judgement.judged(plan.resolve(), {judgement.VARIABLE: str(state / "verdicts")})
    names = _chosen(stacks, judged.layout)
    settings.require_known(start, judged.layout)
    _require_hosts(skip_hosts, judged.layout)
    if after and after not in {vm.id for vm in judged.layout.vms}:
        raise RefusalError(f"--after「{after}」：この計画にない仮想サーバです")
    images = _require_ready(judged.layout, chosen)
    with _explained(state), recovery.only_one(state, progress=progress):
        environment = {**engine.environment(state), **recovery.marks(state)}
        if "define-only" not in corrections(environment):
            progress(
                "この計算機の libvirt プロバイダーを使います（修正なし）。"
                "起動しない仮想サーバも、作るときに一度起動してすぐ止めます"
            )
        running = engine.Engine(engine.project(state), environment, state / "logs", threading.Event())
        ground = recovery.Ground(
            running,
            state,
            judged.layout,
            judged.layout_digest,
            {host.id: admission.uri_of(host, chosen) for host in judged.layout.hosts},
            images,
            progress=progress,
        )
        down = Down(dict.fromkeys(skip_hosts, "指定により除きました"))
        work = Work(running, ground, config, deadline_s, down, progress)
        _look(work, names)
        _prepare(work, names)
        try:
            groundwork.require_ready(work, names, chosen, images, adopt=adopt, remove=remove_orphans, after=after)
        except WaitingError as waiting:
            return DeployResult(judged, (), waiting=waiting.lines)
        built = _build(work, names, parallel)
    left_out = tuple(
        LeftOut(host, reason, tuple(vm.id for vm in _on(host, names, judged.layout)))
        for host, reason in down.reasons.items()
        if any(host in stack.down for stack in built) and not _without(host, judged.layout)
    )
    return DeployResult(judged, built, left_out)


@contextmanager
def _explained(state: Path) -> Iterator[None]:
    try:
        yield
    except (EngineError, *recovery.ERRORS) as error:
        raise DeployError(str(error)) from None
    except OSError as error:
        raise DeployError("\n".join((f"状態フォルダーを使えません：{error}", *room.full([state])))) from None


def _config(plan: Path, domain_type: str, uris: Path | None, start: str) -> dict[str, str]:
    config = {"plan": str(plan), "domain_type": domain_type, "start": start}
    if uris is not None:
        config["uris"] = str(uris.resolve())
    return config


def _chosen(wanted: Sequence[str] | None, layout: Layout) -> tuple[str, ...]:
    """The stacks to build, in the order in which they are built. Raises RefusalError."""
    for name in wanted or ():
        admission.stack_of(name, layout)
    return tuple(name for name in admission.stack_names(layout) if not wanted or name in wanted)


def _require_hosts(names: Collection[str], layout: Layout) -> None:
    unknown = sorted(set(names) - {host.id for host in layout.hosts})
    if unknown:
        raise RefusalError(f"ホスト「{some(unknown)}」はこの計画にありません")


def _require_ready(layout: Layout, chosen: settings.Settings) -> dict[str, BaseImage]:
    """What the program of every stack would refuse, and what the provider needs; answers the base images."""
    for host in layout.hosts:
        admission.uri_of(host, chosen)
    images: dict[str, BaseImage] = {}
    for site in dict.fromkeys(host.site for host in layout.hosts):
        needed = {image for names in admission.base_images(site, layout).values() for image in names}
        images |= admission.find_images(needed, layout, chosen, Deployed({}, frozenset()))
    for program, package in (("xsltproc", "xsltproc"), ("virsh", "libvirt-clients")):
        if shutil.which(program) is None:
            raise RefusalError(f"{program} がありません（Debian のパッケージ：{package}）")
    return images


def _look(work: Work, names: Sequence[str]) -> None:
    """Finds the hosts of these stacks that do not answer, and names the VMs that are left as they are."""
    work.down.look({host: uri for name in names for host, uri in work.uris(name).items()})
    for host, reason in work.down.reasons.items():
        vms = [vm.id for vm in _on(host, names, work.layout)]
        if _without(host, work.layout):
            work.progress(f"{host}：除いて構築します（{reason}）。この計画では使わないホストです")
            continue
        work.progress(f"{host}：除いて構築します（{reason}）。触れない仮想サーバ {len(vms)} 台：{some(vms, 10)}")
    reached = {host.id for host in work.layout.hosts} - set(work.down.reasons)
    if not reached:
        reasons = "\n".join(f"  {host}：{reason}" for host, reason in list(work.down.reasons.items())[:8])
        raise DeployError(f"どのホストにも接続できません。URI と libvirtd を確かめてください\n{reasons}")


def _prepare(work: Work, names: Sequence[str]) -> None:
    """Makes the record of each stack, and clears up after a run that did not end."""
    recovery.mend(work.ground, names)
    listed = json.loads(work.running.command("stack", "ls", "--json"))
    standing = {str(each["name"]).rpartition("/")[2] for each in listed}
    for name in names:
        stacks.ensure(work, name, standing)
        stacks.settle(work, name)


def _build(work: Work, names: Sequence[str], parallel: int) -> tuple[StackResult, ...]:
    """Builds the stacks: hosts, then shared VMs, then tenants; within a group several at once."""
    results: dict[str, StackResult] = {}
    for group in _groups(names):
        results |= _build_group(work, group, parallel, len(results), len(names))
    return tuple(results[name] for name in names)


def _groups(names: Sequence[str]) -> list[list[str]]:
    """Stacks that need nothing of each other, in the order in which such groups are built."""
    order: dict[str, list[str]] = {"hosts": [], "common": [], "tenants": []}
    for name in names:
        kind = "hosts" if name.startswith(admission.HOSTS_PREFIX) else "common" if name == "common" else "tenants"
        order[kind].append(name)
    return [group for group in order.values() if group]


def _build_group(work: Work, group: Sequence[str], parallel: int, before: int, total: int) -> dict[str, StackResult]:
    """Builds the stacks of a group. After the first failure no other is begun; those that run are let end."""
    failed = threading.Event()

    def one(position: int, name: str) -> StackResult | None:
        if failed.is_set() or work.running.halt.is_set():
            return None
        work.progress(f"{name}：構築しています（{before + position}/{total}）")
        try:
            return stacks.build(work, name)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(max(1, parallel), thread_name_prefix="stack") as pool:
        futures = {name: pool.submit(one, number, name) for number, name in enumerate(group, 1)}
        try:
            waiting = set(futures.values())
            while waiting:
                waiting = wait(waiting, return_when=FIRST_COMPLETED).not_done
        except BaseException:
            # Ctrl-C: every engine is told once, writes its state and lets go of its lock.
            work.running.halt.set()
            raise
    errors = [error for future in futures.values() if (error := future.exception()) is not None]
    if errors:
        raise _first(errors, [name for name, future in futures.items() if _not_begun(future.exception, future.result)])
    return {name: result for name, future in futures.items() if (result := future.result()) is not None}


def _not_begun(error: Callable[[], BaseException | None], result: Callable[[], StackResult | None]) -> bool:
    return error() is None and result() is None


def _first(errors: Sequence[BaseException], not_begun: Sequence[str]) -> BaseException:
    """The failure to tell of: a bug before a failure, all failures together, and what was not begun."""
    known = (DeployError, EngineError, OSError, RefusalError, *recovery.ERRORS)
    for error in errors:
        if not isinstance(error, known):
            return error
    more = [f"始めていないスタック：{some(not_begun, 20)}"] if not_begun else []
    if all(isinstance(error, RefusalError) for error in errors):
        return RefusalError("\n".join([*(str(error) for error in errors), *more]), unfit=True)
    return DeployError("\n".join([*(str(error) for error in errors), *more]))


def _without(host: str, layout: Layout) -> bool:
    """Whether the plan does without the host: nothing is on it, and nothing may ever be restarted there."""
    return not any(host in each.hosts for each in layout.host_sets) and all(vm.host != host for vm in layout.vms)


def _on(host: str, stacks_: Collection[str], layout: Layout) -> list[VmRecord]:
    """The VMs of these stacks on the host."""
    return [vm for vm in layout.vms if vm.host == host and vm.tenant in stacks_]
