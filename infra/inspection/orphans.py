"""What stands on a host without a record, or in a record without a host: kept for a VM, or removed, as a person said.

Never a running VM, never a volume that something uses or that a record has: whoever wants those gone has runbooks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from infra.admission import Observations
from infra.inspection.standing import Standing
from infra.observing.observed import Domain, HostObservation
from infra.observing.virsh import SilentHostError
from infra.recovery import checkpoint
from infra.recovery.checkpoint import Thing
from infra.recovery.recovery import Ground, found_again
from infra.refusal import RefusalError, some
from layout.records import VmRecord

AT_REST = ("shut off", "crashed")


def adopt(ground: Ground, vm: VmRecord, seen: Observations, known: Standing) -> bool:
    """Makes the VM one that the next update builds over the disks that remain of it.

    A domain that no record has is undefined, its disks stay; a record whose domain is gone is forgotten. Answers
    whether the VM is to be built; not so when it was only renamed, and has its name again. Raises RefusalError for a
    VM that runs, has disks of others or snapshots, or has lost a disk.
    """
    there = seen.get(vm.host)
    if not isinstance(there, HostObservation):
        raise RefusalError(f"{vm.host}：応答がないので、仮想サーバ「{vm.id}」を組み直せません", unfit=True)
    domain, recorded = there.domain(vm.id), known.domains().get(vm.id)
    # Renamed by hand it looks deleted, and a new one would stand on the disks of the renamed one.
    if (
        domain is None
        and recorded is not None
        and found_again(ground, Thing(vm.host, "domain", "", vm.id), recorded.id)
    ):
        return False
    if domain is not None and recorded is not None and recorded.id == domain.uuid and _has_seed(vm, domain):
        raise RefusalError(f"仮想サーバ「{vm.id}」は Pulumi の状態のとおりにあります。--adopt は要りません", unfit=True)
    if recorded is not None and recorded.host != vm.host:
        raise RefusalError(
            f"仮想サーバ「{vm.id}」は状態では {recorded.host}、計画では {vm.host} です。"
            "先に運用手順書 migrate-vm を行ってください",
            unfit=True,
        )
    lost = _lost(vm, there, known)
    if domain is not None:
        _require_at_rest(vm, domain, there)
        _virsh(ground, vm.host, "undefine", domain.uuid)
        ground.progress(f"{vm.host}：仮想サーバ「{vm.id}」の定義を外しました（ディスクはそのまま使います）")
    gone = set(lost)
    if recorded is not None:
        gone.add(Thing(vm.host, "domain", "", recorded.called))
    if gone:
        _forget(ground, vm.tenant, frozenset(gone))
        ground.progress(f"{vm.tenant}：仮想サーバ「{vm.id}」の古い記録を外しました")
    return True


def remove(ground: Ground, name: str, seen: Observations, known: Standing) -> None:
    """Removes the one domain's definition, or the one volume, of this name (or `HOST:NAME`) that no record has.

    Raises RefusalError where there is none, where there are several, and where it is in use.
    """
    host, _, wanted = name.rpartition(":")
    found = [each for each in _strangers(wanted, seen) if not host or each.host == host]
    if not found:
        raise RefusalError(f"「{name}」という仮想サーバもボリュームも、どのホストにもありません", unfit=True)
    if len(found) > 1:
        places = some(f"{each.host}:{each.name}" for each in found)
        raise RefusalError(f"「{name}」は複数あります（{places}）。ホスト名を付けて指定してください", unfit=True)
    (thing,) = found
    there = seen[thing.host]
    assert isinstance(there, HostObservation)  # noqa: S101 - _strangers looks at no other
    if thing.kind == "domain":
        domain = there.domain(thing.name)
        assert domain is not None  # noqa: S101 - it was found there
        if any(each.id == domain.uuid for each in known.of("Domain")):
            raise RefusalError(
                f"{thing} は Pulumi の状態にあります。運用手順書 remove-tenant で行ってください", unfit=True
            )
        if domain.state not in AT_REST:
            raise RefusalError(f"{thing} は動いています。停止してからやり直してください", unfit=True)
        _virsh(ground, thing.host, "undefine", domain.uuid)
    else:
        if (thing.host, thing.pool, thing.name) in known.volumes():
            raise RefusalError(
                f"{thing} は Pulumi の状態にあります。運用手順書 remove-tenant で行ってください", unfit=True
            )
        users = _users(thing, there)
        if users:
            raise RefusalError(f"{thing} は使われています（{some(users)}）", unfit=True)
        _virsh(ground, thing.host, "vol-delete", "--pool", thing.pool, "--vol", thing.name)
    ground.progress(f"{thing} を消しました")


def _strangers(name: str, seen: Observations) -> list[Thing]:
    found = []
    for host, there in seen.items():
        if not isinstance(there, HostObservation):
            continue
        if there.domain(name) is not None:
            found.append(Thing(host, "domain", "", name))
        found += [Thing(host, "volume", pool.name, name) for pool in there.pools if there.volume(pool.name, name)]
    return found


def _users(thing: Thing, there: HostObservation) -> list[str]:
    """Domains, and volumes on top of it, that would lose this volume."""
    volume = there.volume(thing.pool, thing.name)
    path = "" if volume is None else volume.path
    users = []
    for domain in there.domains:
        for shape in (domain.defined, domain.live):
            for disk in shape.disks if shape is not None else ():
                if {path, thing.name} & {there.path_of(disk), *disk.chain}:
                    users.append(f"仮想サーバ {domain.name}")
    users += [f"ボリューム {each.name}" for pool in there.pools for each in pool.volumes if each.backing == path]
    return list(dict.fromkeys(users))


def _require_at_rest(vm: VmRecord, domain: Domain, there: HostObservation) -> None:
    if domain.state not in AT_REST:
        raise RefusalError(
            f"{vm.host}：仮想サーバ「{vm.id}」は動いています。業務を止めて停止してから、もう一度実行してください",
            unfit=True,
        )
    if domain.external_snapshots or any(disk.chain for disk in domain.defined.disks if disk.path):
        raise RefusalError(
            f"{vm.host}：仮想サーバ「{vm.id}」に外部スナップショットが残っています。先に戻してください", unfit=True
        )
    planned = {disk.name for disk in vm.disks}
    others = [
        disk.path or disk.volume
        for disk in domain.defined.disks
        if (name := disk.volume or there.path_of(disk).rpartition("/")[2]) not in planned
        and not name.startswith(f"{vm.id}-seed-")
    ]
    if others:
        raise RefusalError(
            f"{vm.host}：仮想サーバ「{vm.id}」に計画にないディスクがあります（{some(others)}）。先に外してください",
            unfit=True,
        )


def _has_seed(vm: VmRecord, domain: Domain) -> bool:
    return any(f"{vm.id}-seed-" in (disk.volume or disk.path) for disk in domain.shape.disks)


def _lost(vm: VmRecord, there: HostObservation, known: Standing) -> Iterable[Thing]:
    """Recorded volumes of the VM that are gone, of which only a seed can be made again."""
    disks = {disk.name for disk in vm.disks}
    for (host, pool, name), _ in known.volumes().items():
        mine = name in disks or name.startswith(f"{vm.id}-seed-")
        place = there.pool(pool)
        if host != vm.host or not mine or place is None or not place.active or there.volume(pool, name) is not None:
            continue
        if name in disks:
            raise RefusalError(
                f"{vm.host}：仮想サーバ「{vm.id}」のディスク「{pool}/{name}」がありません。"
                "運用手順書 restore-vm で戻してください",
                unfit=True,
            )
        yield Thing(host, "volume", pool, name)


def _forget(ground: Ground, stack: str, gone: frozenset[Thing]) -> None:
    deployment = checkpoint.export(ground.running.project, ground.running.environment, stack)
    path = ground.state / f"{stack}.adopt.json"
    document = {"version": 3, "deployment": checkpoint.tidied(deployment or {}, gone)}
    try:
        checkpoint.write_whole(path, json.dumps(document, ensure_ascii=False).encode())
        ground.running.command("stack", "import", "--stack", stack, "--file", str(path))
    finally:
        path.unlink(missing_ok=True)


def _virsh(ground: Ground, host: str, *words: str) -> None:
    try:
        ground.hosts.virsh(host, *words)
    except SilentHostError as error:
        raise RefusalError(f"{host}：virsh {words[0]} ができません（{error}）", unfit=True) from None
