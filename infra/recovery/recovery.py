"""Takes up after a run that did not end: the engine killed, the provider, libvirtd, the machine of the engineer.

`only_one` (turns.py) is held for a whole deployment. `settle` runs for each stack before anything else looks at it and
costs a few milliseconds where nothing is wrong. `attempt` is put around an update. None of them ever runs a refresh: it
would drop a VM that was moved by hand from the record, and the next update would build a second one beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from infra import admission
from infra.admission import BaseImage, HostsStack
from infra.engine import Engine
from infra.observing.virsh import Hosts, SilentHostError
from infra.recovery import checkpoint, intent, leftovers, room
from infra.recovery.checkpoint import CheckpointError, Record, Thing
from infra.recovery.intent import Intent
from infra.recovery.leftovers import LeftoverError
from infra.recovery.room import FullDiskError
from infra.recovery.turns import BusyError, marks, only_one
from layout.records import Layout

__all__ = [
    "ERRORS",
    "BusyError",
    "CheckpointError",
    "FullDiskError",
    "Ground",
    "LeftoverError",
    "attempt",
    "found_again",
    "marks",
    "mend",
    "only_one",
    "settle",
    "unfinished",
]

ERRORS = (BusyError, CheckpointError, FullDiskError, LeftoverError, SilentHostError)
"""What a deployment tells its user in one line."""


BEFORE = "before"


@dataclass(frozen=True)
class Ground:
    """What recovery needs to know of a deployment. `uris` are the provider's, `images` by id."""

    running: Engine
    state: Path
    layout: Layout
    layout_digest: str
    uris: Mapping[str, str]
    images: Mapping[str, BaseImage] = field(default_factory=dict)
    operator: str = ""
    progress: Callable[[str], None] = lambda _: None

    @property
    def hosts(self) -> Hosts:
        return Hosts(self.uris)

    def record(self, stack: str) -> Record:
        """What the engine's record of the stack says. Raises CheckpointError."""
        return checkpoint.read(self.running.project, self.running.environment, stack)

    def folders(self) -> tuple[Path, ...]:
        """Where a deployment writes on this machine: its own state, and the engine's where that is a folder."""
        files = checkpoint.files_of(self.running.environment, "")
        return (self.state, *([files.root] if files is not None else []))

    def kept(self, stack: str) -> Path:
        """Where the stack's record is kept as it was before an update."""
        return self.state / BEFORE / f"{stack}.json"

    @cached_property
    def images_by_volume(self) -> dict[str, BaseImage]:
        return {image.volume: image for image in self.images.values()}


def mend(ground: Ground, stacks: Iterable[str]) -> None:
    """Puts copies in the place of damaged records. First of all: one of them fails every question to the engine.

    Raises BusyError, CheckpointError.
    """
    for stack in stacks:
        files = checkpoint.files_of(ground.running.environment, stack)
        if files is not None:
            # First the lock: the record of a stack that is being updated changes under our hands.
            for done in checkpoint.unlock(files):
                ground.progress(done)
            mended = checkpoint.mend(files, ground.state / "damaged", ground.kept(stack))
            if mended:
                ground.progress(mended)
        settings = checkpoint.mend_settings(ground.running.project, stack, ground.state / "damaged")
        if settings:
            ground.progress(settings)


def settle(ground: Ground, stack: str) -> None:
    """Makes the stack fit to be updated after any end of the run before; tells `progress` what it did.

    Raises BusyError while somebody else works on the stack, CheckpointError when its record is lost, LeftoverError for
    what must be judged by a person. A host that does not answer keeps its leftovers for a later run.
    """
    mend(ground, [stack])
    record = ground.record(stack)
    before = intent.read(ground.state, stack)
    suspects = {thing for thing in _suspects(record, before) if not thing.among(record.standing)}
    macs = {vm.id: vm.mac for vm in ground.layout.vms} | dict(before.macs if before else {})
    concerned = sorted({thing.host for thing in suspects} & set(ground.uris))
    with ThreadPoolExecutor(max_workers=8) as pool:  # a guest may take its time to shut down
        cleared = [
            pool.submit(_clear_host, ground, stack, host, {thing for thing in suspects if thing.host == host}, macs)
            for host in concerned
        ]
    for each in cleared:
        each.result()
    if record.untidy:
        _tidy(ground, stack)
        ground.progress(f"{stack}：途中で止まった構築の記録を片付けました")


def found_again(ground: Ground, vm: Thing, uuid: str) -> bool:
    """Whether the VM that a record knows by this UUID is on its host, under whatever name; then it has its own again.

    A VM that was renamed by hand looks deleted. Made anew it would stand on the same disks as the renamed one. Raises
    LeftoverError where it is on another host, runs under the other name, or a host does not answer.
    """
    for host in sorted(ground.uris):
        try:
            name = ground.hosts.ask(host, [f"domname {uuid}"])[f"domname {uuid}"].strip()
        except SilentHostError as error:
            raise LeftoverError(f"{vm} を探せません（{error}）。すべてのホストが応答してから実行してください") from None
        if not name:
            continue
        if host != vm.host:
            raise LeftoverError(
                f"仮想サーバ {vm.name} は {host} で見つかりました。運用手順書 migrate-vm で戻してください"
            )
        if name != vm.name:
            leftovers.rename(ground.hosts, Thing(host, "domain", "", name), vm.name)
            ground.progress(f"{host} の仮想サーバ {name} を、元の名前 {vm.name} に戻しました")
        return True
    return False


@contextmanager
def attempt(ground: Ground, stack: str) -> Iterator[None]:
    """Around an update of the stack: writes down what it is to make that is not there, until it has ended well.

    And keeps the record as it was. Raises CheckpointError, FullDiskError, and OSError when it cannot be written: then
    nothing must be begun.
    """
    files = checkpoint.files_of(ground.running.environment, stack)
    room.require(ground.folders(), files.state if files else None, len(things(stack, ground.layout)))
    if files is not None:
        checkpoint.keep(files, ground.kept(stack))
    record = ground.record(stack)
    wanted = {thing for thing in things(stack, ground.layout) if not thing.among(record.standing)}
    earlier = intent.read(ground.state, stack)
    carried = {thing for thing in earlier.absent if not thing.among(record.standing)} if earlier else set()
    absent = frozenset(carried | _absent(ground, wanted - carried))
    if absent:
        macs = {vm.id: vm.mac for vm in ground.layout.vms if vm.tenant == stack}
        macs |= {name: mac for name, mac in (earlier.macs if earlier else {}).items() if name not in macs}
        said = Intent(stack, ground.layout_digest, ground.layout.generation, absent, macs)
        intent.write(ground.state, said, ground.operator)
    yield
    if absent:
        made = ground.record(stack).standing
        left = frozenset(thing for thing in absent if not thing.among(made) and thing in wanted)
        if left:  # of a host that was left out
            intent.write(ground.state, Intent(stack, ground.layout_digest, ground.layout.generation, left, macs))
        else:
            intent.close(ground.state, stack)
    elif earlier:
        intent.close(ground.state, stack)
    ground.kept(stack).unlink(missing_ok=True)


def ended(ground: Ground, stack: str) -> bool:
    """Whether the last update of the stack ended well, or there was none: what it wrote down before is closed."""
    return intent.read(ground.state, stack) is None and not ground.kept(stack).exists()


def unfinished(state: Path) -> frozenset[Thing]:
    """What updates that did not end well were to make: such a thing on a host is no stranger, `up` adopts it.

    The name of a thing may end in `*`.
    """
    return frozenset(thing for each in intent.all_open(state) for thing in each.absent)


def things(stack: str, layout: Layout) -> frozenset[Thing]:
    """Everything that the program declares on hosts for a stack of the layout."""
    found: set[Thing] = set()
    chosen = admission.stack_of(stack, layout)
    if isinstance(chosen, HostsStack):
        images = admission.base_images(chosen.site, layout)
        for host in admission.hosts_of(chosen, layout):
            found |= {Thing(host.id, "network", "", each.id) for each in layout.networks if each.site == host.site}
            for place in host.pools:
                found.add(Thing(host.id, "pool", "", place.name))
                found |= {
                    Thing(host.id, "volume", place.name, admission.volume_of(image))
                    for image in images.get(place.name, ())
                }
        return frozenset(found)
    for vm in admission.vms_of(chosen, layout):
        found.add(Thing(vm.host, "domain", "", vm.id))
        found |= {Thing(vm.host, "volume", disk.pool, disk.name) for disk in vm.disks}
        # The program puts the seed into the pool of the disk that the VM boots from.
        pool = next((disk.pool for disk in vm.disks if disk.base_image is not None), vm.disks[0].pool)
        found.add(Thing(vm.host, "volume", pool, f"{vm.id}-seed-*"))
    return frozenset(found)


def _suspects(record: Record, before: Intent | None) -> frozenset[Thing]:
    return record.pending | record.broken | (before.absent if before else frozenset())


def _absent(ground: Ground, wanted: Iterable[Thing]) -> set[Thing]:
    found = set()
    listed = list(wanted)
    for host in sorted({thing.host for thing in listed}):
        here = [thing for thing in listed if thing.host == host]
        if host not in ground.uris:
            continue
        try:
            seen = leftovers.look(ground.hosts, host, _pools(here))
        except SilentHostError:  # nothing is known of it, so nothing may be cleared there later
            continue
        found |= {thing for thing in here if not seen.has(thing)}
    return found


def _pools(things_: Iterable[Thing]) -> list[str]:
    return sorted({thing.pool for thing in things_ if thing.pool})


def _clear_host(ground: Ground, stack: str, host: str, suspects: set[Thing], macs: Mapping[str, str]) -> None:
    try:
        _clear_answering(ground, stack, host, suspects, macs)
    except SilentHostError as error:
        ground.progress(f"{stack}：前の構築の残りを確かめられません（{error}）")


def _clear_answering(ground: Ground, stack: str, host: str, suspects: set[Thing], macs: Mapping[str, str]) -> None:
    hosts, tell = ground.hosts, ground.progress
    seen = leftovers.look_until_still(hosts, host, _pools(suspects))
    found = {Thing(host, each.kind, each.pool, name) for each in suspects for name in seen.names(each)}
    # Domains first: a volume that a half-made domain stands on counts as used.
    for thing in leftovers.remove_domains(hosts, sorted(each for each in found if each.kind == "domain"), macs):
        tell(f"{stack}：作りかけの {thing} を外しました（ボリュームは残しました。作り直します）")
    for thing in sorted(each for each in found if each.kind == "volume"):
        _clear_volume(ground, thing)
    for thing in sorted(each for each in found if each.kind == "network"):
        leftovers.remove_network(hosts, thing)
        tell(f"{stack}：作りかけの {thing} を外しました（作り直します）")
    for thing in sorted(each for each in found if each.kind == "pool"):
        leftovers.remove_pool(hosts, thing)
        tell(f"{stack}：作りかけの {thing} を外しました（中身は残しました。作り直します）")


def _clear_volume(ground: Ground, thing: Thing) -> None:
    stem, _, rest = thing.name.rpartition("-seed-")
    disks = {disk.name: disk for vm in ground.layout.vms if vm.host == thing.host for disk in vm.disks}
    if stem and rest.endswith(".iso"):
        leftovers.clear_copy(ground.hosts, thing, rest.removesuffix(".iso"), None, ground.progress)
    elif (image := ground.images_by_volume.get(thing.name)) is not None:
        leftovers.clear_copy(ground.hosts, thing, image.sha256, image.path.stat().st_size, ground.progress)
    elif (disk := disks.get(thing.name)) is not None and disk.base_image is not None:
        base = admission.volume_of(disk.base_image)
        leftovers.clear_system(ground.hosts, thing, disk.size_gib, base, ground.progress)
    elif disk is not None:
        leftovers.require_data(ground.hosts, thing, disk.size_gib)


def _tidy(ground: Ground, stack: str) -> None:
    running = ground.running
    deployment = checkpoint.tidied(checkpoint.export(running.project, running.environment, stack) or {})
    files = checkpoint.files_of(running.environment, stack)
    if files is not None:
        checkpoint.rewrite(files, deployment)
        return
    path = ground.state / f"{stack}.tidy.json"
    try:
        checkpoint.write_whole(path, json.dumps({"version": 3, "deployment": deployment}).encode())
        running.command("stack", "import", "--stack", stack, "--file", str(path))
    finally:
        path.unlink(missing_ok=True)
