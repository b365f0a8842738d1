"""Builds one stack: an update, then a preview that must find nothing left to do on the hosts that answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from infra import admission, engine
from infra.admission import HostsStack
from infra.deployment import reach
from infra.engine import Engine, Outcome
from infra.guarding import guard, preview
from infra.recovery import recovery, room
from infra.recovery.checkpoint import Record
from infra.recovery.recovery import Ground
from infra.refusal import RefusalError
from layout.records import Layout

CHECK = "構築直後の実機との照合（pulumi preview --refresh --expect-no-changes）"
PARALLEL = 8  # operations at once in one engine; more only queue at libvirtd


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
    down: tuple[str, ...] = ()
    """Hosts of the stack that were left out, because they did not answer or were not to be touched."""


@dataclass
class Down:
    """Hosts that are left out and why: those that the engineer names, and those that do not answer, also later on."""

    reasons: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, hosts: Collection[str]) -> tuple[str, ...]:
        """Those of the hosts that are left out."""
        return tuple(host for host in hosts if host in self.reasons)

    def look(self, uris: Mapping[str, str]) -> None:
        """Asks those of the hosts that are not left out yet; those that do not answer are from now on."""
        with self.lock:
            self.reasons |= reach.unreachable({host: uri for host, uri in uris.items() if host not in self.reasons})


@dataclass(frozen=True)
class Work:
    """What the building of every stack of a deployment shares."""

    running: Engine
    ground: Ground
    config: Mapping[str, str]
    deadline_s: float
    down: Down
    progress: Callable[[str], None]

    @property
    def layout(self) -> Layout:
        return self.ground.layout

    def of(self, stack: str) -> Work:
        """The same with the stack's own passphrase, for recovery too."""
        own = replace(self.running, environment=engine.with_secrets(self.running.environment, self.ground.state, stack))
        return replace(self, running=own, ground=replace(self.ground, running=own))

    def uris(self, stack: str) -> dict[str, str]:
        """The hosts that the stack touches, and how they are reached."""
        hosts = admission.hosts_of(admission.stack_of(stack, self.layout), self.layout)
        return {host.id: self.ground.uris[host.id] for host in hosts}


def ensure(work: Work, stack: str, standing: Collection[str]) -> None:
    """Makes the stack's record where `standing` does not name it. Raises EngineError."""
    if stack not in standing:
        work.of(stack).running.command("stack", "init", stack, "--no-select")


def settle(work: Work, stack: str) -> None:
    """Makes the stack fit to be updated after any end of the run before. Raises what `recovery.ERRORS` names."""
    recovery.settle(_answering(work.of(stack)), stack)


def build(work: Work, stack: str) -> StackResult:
    """Builds the stack. A host that goes away meanwhile is left out, and the others are built. Raises DeployError."""
    own = work.of(stack)
    uris = own.uris(stack)
    if own.down.of(uris) == tuple(uris):
        return StackResult(stack, 0, 0, 0, 0, 0.0, tuple(uris))
    _forget_uris(own, stack)
    while True:
        left_out = own.down.of(uris)
        try:
            return _attempt(own, stack, left_out)
        except DeployError:
            # Another stack may have noticed first.
            own.down.look(uris)
            gone = [host for host in own.down.of(uris) if host not in left_out]
            if not gone or own.down.of(uris) == tuple(uris):
                raise
            own.progress(f"{stack}：{'、'.join(gone)} が答えなくなったので、除いてやり直します")
            recovery.settle(_answering(own), stack)


def names_on(host: str, stack: str, layout: Layout) -> tuple[str, ...]:
    """The names of the stack's resources that live on the host, its connection among them."""
    chosen = admission.stack_of(stack, layout)
    if isinstance(chosen, HostsStack):
        images = admission.base_images(chosen.site, layout)
        (record,) = [each for each in layout.hosts if each.id == host]
        inside = [network.id for network in layout.networks if network.site == chosen.site]
        for pool in record.pools:
            inside += [pool.name, *(f"{pool.name}-{image}" for image in images.get(pool.name, ()))]
        return (host, *(f"{host}-{name}" for name in inside))
    names = [host]
    for vm in admission.vms_of(chosen, layout):
        if vm.host == host:
            names += [vm.id, admission.seed_name(vm), *(disk.name for disk in vm.disks)]
    return tuple(names)


def _answering(work: Work) -> Ground:
    """What recovery needs to know, with the hosts that are left out unknown to it."""
    uris = {host: uri for host, uri in work.ground.uris.items() if host not in work.down.reasons}
    return replace(work.ground, uris=uris)


def _forget_uris(work: Work, stack: str) -> None:
    settings = work.running.project / f"Pulumi.{stack}.yaml"
    if "uris" not in work.config and settings.is_file() and "kumiai:uris:" in settings.read_text(encoding="utf-8"):
        work.running.command("config", "rm", "uris", "--stack", stack)


def _attempt(work: Work, stack: str, left_out: tuple[str, ...]) -> StackResult:
    ground, running, deadline_s = _answering(work), work.running, work.deadline_s
    options = [word for key, value in work.config.items() for word in ("--config", f"{key}={value}")]
    # By name, with wildcards for the rest: a name that the record does not have yet is no mistake then. The engine
    # neither asks nor changes what is excluded; only the record of the connection may take another URI.
    names = [name for host in left_out for name in names_on(host, stack, work.layout)]
    without = [word for name in names for word in ("--exclude", f"**::{name}")]
    common = ("--parallel", str(PARALLEL), *without)

    def tell(done: int, seconds: float) -> None:
        full = room.full(ground.folders())
        if full:  # the engine would wait until its deadline for a record that it cannot write
            raise room.FullDiskError("\n".join((f"{stack}：記録を書けないので止めました", *full)))
        work.progress(f"{stack}：操作 {done} 件まで終わりました（{seconds:.0f} 秒）")

    check = ("preview", "--refresh", "--expect-no-changes", *common)
    record = ground.record(stack)
    if _was_built(record, ground, work.layout, stack, left_out):
        same = running.run(stack, *check, *options, deadline_s=deadline_s, tell=tell)
        if same.timed_out:
            _require(same, stack, CHECK, deadline_s, ground)
        if same.returncode == 0:
            return _told(work, StackResult(stack, 0, 0, 0, same.changes.get("same", 0), same.seconds, left_out))
    looked_s = 0.0
    # Nothing can be replaced, deleted or dropped where nothing stands; anywhere else the guard looks before.
    if record.standing:
        looked = running.run(stack, "preview", *common, *options, deadline_s=deadline_s, tell=tell)
        _require_harmless(looked, stack, work.layout)
        _require(looked, stack, "構築前の確認（pulumi preview）", deadline_s, ground)
        looked_s = looked.seconds
    with recovery.attempt(ground, stack):
        # The preview just now was its preview: nobody else may work on these stacks meanwhile.
        done = running.run(stack, "up", "--yes", "--skip-preview", *common, *options, deadline_s=deadline_s, tell=tell)
        _require(done, stack, "構築", deadline_s, ground)
    # Refreshed: without it the engine compares the program with its own record and calls a host that lost its
    # VMs, or a laboratory that was taken down since, built.
    checked = running.run(stack, *check, deadline_s=deadline_s, tell=tell)
    _require(checked, stack, CHECK, deadline_s, ground)
    changes = done.changes
    result = StackResult(
        stack,
        created=changes.get("create", 0),
        updated=changes.get("update", 0) + changes.get("replace", 0),
        deleted=changes.get("delete", 0),
        unchanged=changes.get("same", 0),
        seconds=looked_s + done.seconds + checked.seconds,
        down=left_out,
    )
    return _told(work, result)


def _was_built(record: Record, ground: Ground, layout: Layout, stack: str, left_out: tuple[str, ...]) -> bool:
    """Whether the record is that of this very plan, whole on the hosts that answer: then a look may be all it takes."""
    if (
        record.untidy
        or not recovery.ended(ground, stack)
        or record.outputs.get("layout_digest") != ground.layout_digest
    ):
        return False
    hosts = [host.id for host in admission.hosts_of(admission.stack_of(stack, layout), layout)]
    wanted = {name for host in hosts if host not in left_out for name in names_on(host, stack, layout)}
    return wanted <= record.names


def _told(work: Work, result: StackResult) -> StackResult:
    work.progress(
        f"{result.name}：作成 {result.created}、更新 {result.updated}、削除 {result.deleted}、"
        f"変更なし {result.unchanged}（{result.seconds:.1f} 秒、直後の preview に差分なし）"
        + (f"。除いたホスト：{'、'.join(result.down)}" if result.down else "")
    )
    return result


def _require_harmless(looked: Outcome, stack: str, layout: Layout) -> None:
    """Raises RefusalError where the update would cut power, lose data, or be reported as done and never happen."""
    if looked.timed_out:
        return
    try:
        found = guard.of_update(preview.read(looked.events.read_bytes()), layout)
    except (preview.PreviewError, OSError) as error:
        if looked.returncode != 0:
            return  # the engine's own errors say more
        raise DeployError(f"{stack}：構築前の確認（pulumi preview）を読めません：{error}") from None
    if found:
        raise RefusalError("\n".join(f"{stack}：{each.line}" for each in found), unfit=True)


def _require(outcome: Outcome, stack: str, step: str, deadline_s: float, ground: Ground) -> None:
    full = room.full(ground.folders()) if outcome.timed_out or outcome.returncode != 0 else ()
    if outcome.timed_out:
        still = "\n".join(f"  {each}" for each in outcome.unfinished[:8])
        waiting = f"。終わらないもの：\n{still}" if still else ""
        told = f"{stack}：{step}が {deadline_s:.0f} 秒で終わらないので止めました（記録：{outcome.log}）{waiting}"
        raise DeployError("\n".join((told, *full)))
    if outcome.returncode != 0:
        lines = engine.explained(outcome.errors)
        if outcome.returncode < 0:
            lines += (
                f"  pulumi がシグナル {-outcome.returncode} で終了しました。もう一度実行すると続きから構築します",
            )
        raise DeployError("\n".join((f"{stack}：{step}に失敗しました（記録：{outcome.log}）", *lines, *full)))
