"""The plan against what libvirt really runs: one difference for everything that is not as the plan has it.

Drift tells all of them; preflight refuses to build upon some. What a host that does not answer runs is unknown: it
makes no difference, and is named apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from infra import domain_xml
from infra.admission import Observations, base_images, volume_of
from infra.inspection.standing import Standing
from infra.observing.observed import Disk, Domain, HostObservation, Shape, Unreachable
from infra.refusal import some
from layout.ports import port_name
from layout.records import DiskRecord, HostRecord, Layout, VmRecord

GIB = 2**30


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it should be. `kind` is one word for programs; `remedy` is a sentence."""

    kind: str
    host: str
    vm: str
    subject: str
    wanted: str
    found: str
    runbook: str = ""
    remedy: str = ""

    @property
    def line(self) -> str:
        """One line for the engineer."""
        where = f"{self.host}：" if self.host else ""
        whom = f"仮想サーバ「{self.vm}」の" if self.vm else ""
        told = f"{where}{whom}{self.subject}：計画 {self.wanted or 'なし'}、実機 {self.found or 'なし'}"
        how = f"運用手順書 {self.runbook}" if self.runbook else self.remedy
        return " ".join(f"{told} → {how}".split()) if how else " ".join(told.split())


@dataclass(frozen=True)
class Wanted:
    """What the plan wants, and as of when; `emulated`: guests without KVM have their own translation cache."""

    layout: Layout
    now: datetime
    emulated: bool
    standing: Standing = field(default_factory=Standing)

    def bridge_of(self, vm: VmRecord) -> str:
        """The bridge that the VM's interface belongs in."""
        return next((each.bridge for each in self.layout.networks if each.id == vm.network), "")

    def vcpu_of(self, vm: VmRecord) -> tuple[int, str]:
        """The VM's vCPUs now, and by which interval of the plan."""
        for change in vm.vcpu_changes:
            if change.from_ <= self.now < change.until:
                return change.vcpu, f"{change.from_:%Y-%m-%d} から {change.until:%Y-%m-%d} の前日まで"
        return vm.vcpu, "通常"

    def should_run(self, vm: VmRecord) -> bool:
        """Whether the VM is to run: one that was made without being started may stand still."""
        made = self.standing.domains().get(vm.id)
        return made is None or made.inputs.get("running") is not False


def find(wanted: Wanted, seen: Observations) -> tuple[Difference, ...]:
    """Every difference on the hosts that answer, in the plan's order: hosts, VMs, then what nobody planned."""
    running = wanted.standing.domains()
    found: list[Difference] = []
    for host in wanted.layout.hosts:
        there = seen.get(host.id)
        if isinstance(there, HostObservation):
            found += _of_host(host, there, wanted.layout)
    found += _of_one_libvirt_twice(seen)
    for vm in wanted.layout.vms:
        found += _of_vm(vm, wanted, seen, running[vm.id].id if vm.id in running else "")
    for host in wanted.layout.hosts:
        there = seen.get(host.id)
        if isinstance(there, HostObservation):
            found += _surplus(host, there, wanted.layout)
    return tuple(found)


def places_of(vm: str, seen: Observations) -> tuple[str, ...]:
    """The hosts that know a domain of this name."""
    return tuple(host for host, each in seen.items() if isinstance(each, HostObservation) and each.domain(vm))


def _of_host(host: HostRecord, there: HostObservation, layout: Layout) -> Iterator[Difference]:
    for pool in host.pools:
        found = there.pool(pool.name)
        if found is None:
            yield Difference("pool", host.id, "", f"プール「{pool.name}」", "あり", "", "", "kumiai deploy で作ります")
        elif not found.active:
            remedy = f"virsh pool-start {pool.name}（起動しなければ {pool.path} のマウントを確かめてください）"
            yield Difference("pool", host.id, "", f"プール「{pool.name}」", "稼働", "停止", "", remedy)
        elif found.path.rstrip("/") != pool.path.rstrip("/"):
            yield Difference(
                "pool", host.id, "", f"プール「{pool.name}」の場所", pool.path, found.path, "",
                "計画か、ホストのプールの定義を直してください",
            )  # fmt: skip
        else:
            for image in base_images(host.site, layout).get(pool.name, ()):
                if there.volume(pool.name, volume_of(image)) is None:
                    yield Difference(
                        "image", host.id, "", f"プール「{pool.name}」のベースイメージ「{image}」", "あり", "", "",
                        "kumiai deploy --stack hosts-… で配ります（状態にあるのに消えたなら restore-vm）",
                    )  # fmt: skip
    for network in layout.networks:
        if network.site == host.site and not there.networks.get(network.id, False):
            was = "停止" if network.id in there.networks else ""
            remedy = "apply-network" if was else ""
            yield Difference(
                "network", host.id, "", f"ネットワーク「{network.id}」", "稼働", was, remedy, "kumiai deploy で作ります"
            )


def _of_one_libvirt_twice(seen: Observations) -> Iterator[Difference]:
    """Two hosts whose pools have one UUID are one libvirtd under two names."""
    known: dict[str, str] = {}
    for host, each in seen.items():
        for pool in each.pools if isinstance(each, HostObservation) else ():
            other = known.setdefault(pool.uuid, host)
            if other != host and pool.uuid:
                yield Difference(
                    "uri", host, "", "接続先", f"{other} とは別の libvirt", f"{other} と同じ libvirt", "",
                    "URI のファイルを直してください",
                )  # fmt: skip
                break


def _of_vm(vm: VmRecord, wanted: Wanted, seen: Observations, uuid: str) -> Iterator[Difference]:
    places = places_of(vm.id, seen)
    here = seen.get(vm.host)
    if len(places) > 1:
        yield Difference(
            "double", "", vm.id, "場所", vm.host, "、".join(places), "",
            f"{'、'.join(place for place in places if place != vm.host)} のほうが動いていないことを確かめて、"
            "virsh undefine で消してください",
        )  # fmt: skip
    elif places and places != (vm.host,):
        yield Difference("elsewhere", places[0], vm.id, "場所", vm.host, places[0], "migrate-vm")
        return
    if not isinstance(here, HostObservation):
        return
    domain = here.domain(vm.id)
    if domain is None:
        renamed = next((each.name for each in here.domains if uuid and each.uuid == uuid), "")
        built = wanted.standing.domains().get(vm.id)
        if built is not None and built.host != vm.host and isinstance(seen.get(built.host), Unreachable):
            yield _out_of_reach(vm, built.host)
        else:
            yield _renamed(vm, renamed) if renamed else _missing(vm, here)
        return
    if uuid and uuid != domain.uuid:
        yield Difference(
            "uuid", vm.host, vm.id, "UUID（Pulumi の状態との照合）", uuid, domain.uuid, "",
            f"手で作り直されています。停止してから kumiai deploy --adopt {vm.id}",
        )  # fmt: skip
    if not domain.running and wanted.should_run(vm):
        yield Difference("stopped", vm.host, vm.id, "運転状態", "稼働", _state(domain), "start-vm")
    if not domain.autostart:
        yield Difference("autostart", vm.host, vm.id, "自動起動", "あり", "", "start-vm", f"virsh autostart {vm.id}")
    yield from _of_shape(vm, wanted, domain)
    yield from _of_disks(vm, domain, here)
    if domain.external_snapshots:
        yield _snapshot(vm, some(domain.external_snapshots))


def _state(domain: Domain) -> str:
    return {"shut off": "停止", "paused": "一時停止", "crashed": "異常終了"}.get(domain.state, domain.state or "不明")


def _renamed(vm: VmRecord, name: str) -> Difference:
    return Difference(
        "missing", vm.host, vm.id, "名前", vm.id, f"{name}（手で改名されています）", "",
        f"停止してから kumiai deploy --adopt {vm.id} で戻します",
    )  # fmt: skip


def _out_of_reach(vm: VmRecord, built: str) -> Difference:
    found = f"なし（記録では {built} にあり、そのホストが答えません）"
    return Difference("missing", vm.host, vm.id, "仮想サーバ", "あり", found, "restore-dead-host-vms")


def _missing(vm: VmRecord, here: HostObservation) -> Difference:
    lost = [
        disk.name
        for disk in vm.disks
        if (pool := here.pool(disk.pool)) is not None and pool.active and here.volume(disk.pool, disk.name) is None
    ]
    if lost:
        return Difference(
            "missing", vm.host, vm.id, "仮想サーバ", "あり", f"なし（ディスク {some(lost)} もなし）", "restore-vm"
        )
    return Difference(
        "missing", vm.host, vm.id, "仮想サーバ", "あり", "なし（ディスクは残っています）", "",
        f"kumiai deploy --adopt {vm.id} で、残っているディスクから組み直します",
    )  # fmt: skip


def _of_shape(vm: VmRecord, wanted: Wanted, domain: Domain) -> Iterator[Difference]:
    now, by = wanted.vcpu_of(vm)
    shape = domain.shape
    if domain.live is not None and shape.vcpu != now:
        yield Difference(
            "vcpu", vm.host, vm.id, "現在の vCPU", f"{now}（{by}）", str(shape.vcpu),
            "raise-vcpu" if shape.vcpu < now else "restore-vcpu",
        )  # fmt: skip
    elif domain.live is None and shape.vcpu not in {now, vm.vcpu}:
        yield Difference(
            "vcpu", vm.host, vm.id, "次に起動したときの vCPU", str(vm.vcpu), str(shape.vcpu), "restore-vcpu"
        )
    for when, each in _shapes(domain):
        if each.vcpu_max != vm.vcpu_max:
            yield Difference(
                "vcpu-max",
                vm.host,
                vm.id,
                f"{when}vCPU の最大数",
                str(vm.vcpu_max),
                str(each.vcpu_max),
                "resize-memory",
            )
        if each.memory_max_mib != vm.memory_mib or each.memory_mib != vm.memory_mib:
            seen = f"{each.memory_mib} MiB" + (
                f"（最大 {each.memory_max_mib} MiB）" if each.memory_max_mib != each.memory_mib else ""
            )
            yield Difference("memory", vm.host, vm.id, f"{when}メモリー", f"{vm.memory_mib} MiB", seen, "resize-memory")
        yield from _of_nics(vm, wanted.bridge_of(vm), when, each)
        yield from _of_injected(vm, wanted.emulated, when, each)


def _shapes(domain: Domain) -> tuple[tuple[str, Shape], ...]:
    """What it has, and what it will have after its next start where that is something else."""
    if domain.live is None:
        return (("", domain.defined),)
    same = _comparable(domain.live) == _comparable(domain.defined)
    return (("", domain.live),) if same else (("", domain.live), ("次の起動からの", domain.defined))


def _comparable(shape: Shape) -> tuple[object, ...]:
    return (
        shape.vcpu_max, shape.memory_mib, shape.memory_max_mib, {(nic.mac, nic.bridge) for nic in shape.nics},
        shape.console_log, shape.translation_cache_mib, shape.shares,
    )  # fmt: skip


def _of_nics(vm: VmRecord, bridge: str, when: str, shape: Shape) -> Iterator[Difference]:
    mac = vm.mac.lower()
    own = [nic for nic in shape.nics if nic.mac == mac]
    others = [f"{nic.mac}@{nic.bridge}" for nic in shape.nics if nic.mac != mac]
    if not own or others:
        found = "、".join(f"{nic.mac}@{nic.bridge}" for nic in shape.nics)
        how = "virsh attach-interface / detach-interface で計画のとおりに戻してください"
        yield Difference("nic", vm.host, vm.id, f"{when}NIC", f"{mac}@{bridge}", found, "", how)
    elif own[0].bridge != bridge:
        yield Difference("nic", vm.host, vm.id, f"{when}NIC のブリッジ", bridge, own[0].bridge, "apply-network")
    elif own[0].port not in {"", port_name(vm.mac)}:
        # A stopped VM, or one in its definition, may have no name yet: libvirt takes the defined one.
        yield Difference(
            "port",
            vm.host,
            vm.id,
            f"{when}NIC の口（パケット規則の対象）",
            port_name(vm.mac),
            own[0].port,
            "apply-network",
        )


def _of_injected(vm: VmRecord, emulated: bool, when: str, shape: Shape) -> Iterator[Difference]:
    """What the stylesheet put in when the VM was made; the provider never reads it back."""
    log = f"{domain_xml.LOG_FOLDER}/{vm.id}-console.log"
    how = "停止してから virsh edit で戻してください"
    if shape.console_log != log:
        yield Difference("console", vm.host, vm.id, f"{when}コンソールの記録", log, shape.console_log, "", how)
    shares = None if vm.weight == 1.0 else round(domain_xml.SHARES_OF_WEIGHT_ONE * vm.weight)
    # libvirt may tell its default of a running VM, where nobody asked for any.
    if (shape.shares or domain_xml.SHARES_OF_WEIGHT_ONE) != (shares or domain_xml.SHARES_OF_WEIGHT_ONE):
        yield Difference(
            "shares", vm.host, vm.id, f"{when}CPU の重み（cpu_shares）",
            str(shares or "既定"), str(shape.shares or "既定"), "resize-memory",
        )  # fmt: skip
    cache = domain_xml.TRANSLATION_CACHE_MIB if emulated else 0
    if shape.translation_cache_mib != cache:
        yield Difference(
            "cache", vm.host, vm.id, f"{when}変換キャッシュ（TCG）",
            f"{cache} MiB", f"{shape.translation_cache_mib} MiB", "", how,
        )  # fmt: skip


def _of_disks(vm: VmRecord, domain: Domain, here: HostObservation) -> Iterator[Difference]:
    names = {disk.name: disk for disk in vm.disks}
    attached: set[str] = set()
    seed = False
    for there in domain.shape.disks:
        name, above = _planned(there, names, here, vm)
        if name and above:
            yield _snapshot(vm, there.path or there.volume)
        if name in names:
            attached.add(name)
        elif name:
            seed = True
        else:
            yield Difference(
                "disk", vm.host, vm.id, "ディスク", "", there.path or f"{there.pool}/{there.volume}", "",
                f"計画にないディスクです。virsh detach-disk {vm.id} {there.target} で外してください",
            )  # fmt: skip
    for disk in vm.disks:
        pool, volume = here.pool(disk.pool), here.volume(disk.pool, disk.name)
        if disk.name not in attached:
            how = "停止してから virsh attach-disk で付け直してください" if volume else ""
            yield Difference(
                "disk", vm.host, vm.id, f"ディスク「{disk.name}」", "接続", "未接続" if volume else "",
                "" if volume else "restore-vm", how,
            )  # fmt: skip
        elif volume is None and pool is not None and pool.active:
            yield Difference("disk", vm.host, vm.id, f"ディスク「{disk.name}」のボリューム", "あり", "", "restore-vm")
        if volume is not None and volume.capacity != round(disk.size_gib * GIB):
            yield _size(vm, disk, volume.capacity)
    if not seed:
        yield Difference(
            "disk", vm.host, vm.id, "シード", "接続", "", "", f"停止してから kumiai deploy --adopt {vm.id}"
        )


def _size(vm: VmRecord, disk: DiskRecord, capacity: int) -> Difference:
    smaller = capacity < round(disk.size_gib * GIB)
    return Difference(
        "disk-size", vm.host, vm.id, f"ディスク「{disk.name}」の大きさ",
        f"{disk.size_gib:g} GiB", f"{capacity / GIB:g} GiB",
        "grow-disk" if smaller else "",
        "" if smaller else "縮められません。size_gib を実機に合わせて kumiai plan --keep で計画し直してください",
    )  # fmt: skip


def _planned(disk: Disk, names: Mapping[str, DiskRecord], here: HostObservation, vm: VmRecord) -> tuple[str, bool]:
    """The planned volume, or seed, that a disk is or lies on, and whether it only lies on it, as a snapshot does."""
    own = here.path_of(disk)
    for depth, path in enumerate((own, *disk.chain)):
        for name, record in names.items():
            volume = here.volume(record.pool, name)
            # A snapshot names what it lies on as the disk did: by its volume, or by its file.
            if (volume is not None and volume.path == path) or name in {path, disk.volume if depth == 0 else ""}:
                return name, depth > 0
        if depth == 0 and (disk.volume or path.rpartition("/")[2]).startswith(f"{vm.id}-seed-"):
            return f"{vm.id}-seed", False
    return "", False


def _snapshot(vm: VmRecord, what: str) -> Difference:
    return Difference(
        "snapshot", vm.host, vm.id, "外部スナップショット", "", what, "backup-vm",
        f"virsh blockcommit {vm.id} … --active --pivot で戻してください",
    )  # fmt: skip


def _surplus(host: HostRecord, there: HostObservation, layout: Layout) -> Iterator[Difference]:
    planned = {vm.id for vm in layout.vms}
    for domain in there.domains:
        if domain.name not in planned:
            yield Difference(
                "surplus", host.id, "", f"計画にない仮想サーバ「{domain.name}」", "",
                "稼働" if domain.running else _state(domain), "remove-tenant",
                f"要らなければ停止してから kumiai deploy --remove-orphan {domain.name}",
            )  # fmt: skip
    expected = set(expected_volumes(host, layout, there))
    for pool in host.pools:
        found = there.pool(pool.name)
        for volume in found.volumes if found is not None else ():
            if (pool.name, volume.name) not in expected and not _is_seed_of(volume.name, host, layout):
                yield Difference(
                    "surplus-volume", host.id, "", f"計画にないボリューム「{pool.name}/{volume.name}」", "",
                    f"{volume.capacity / GIB:.2f} GiB", "", f"要らなければ kumiai deploy --remove-orphan {volume.name}",
                )  # fmt: skip


def expected_volumes(host: HostRecord, layout: Layout, there: HostObservation) -> Iterator[tuple[str, str]]:
    """Pool and name of every volume that the plan, or a VM that is really there, has on the host; seeds apart."""
    for pool, images in base_images(host.site, layout).items():
        yield from ((pool, volume_of(image)) for image in images)
    for vm in layout.vms:
        # A VM on the wrong host has its disks there: its place is the difference, not each disk.
        if vm.host == host.id or there.domain(vm.id) is not None:
            yield from ((disk.pool, disk.name) for disk in vm.disks)


def _is_seed_of(name: str, host: HostRecord, layout: Layout) -> bool:
    return any(name.startswith(f"{vm.id}-seed-") for vm in layout.vms if vm.host == host.id)


def of_state(layout: Layout, standing: Standing, stacks: Iterable[str]) -> Iterator[Difference]:
    """The plan against Pulumi's own records: VMs that it has elsewhere, more or fewer of."""
    known = standing.domains()
    built = set(stacks) & set(standing.outputs)
    planned = {vm.id: vm for vm in layout.vms}
    for vm in layout.vms:
        recorded = known.get(vm.id)
        if vm.tenant in built and recorded is None:
            yield Difference("state", "", vm.id, "Pulumi の状態", vm.host, "", "", "kumiai deploy で構築します")
        elif recorded is not None and recorded.host != vm.host:
            yield Difference(
                "state", "", vm.id, "Pulumi の状態にあるホスト", vm.host, recorded.host, "migrate-vm",
            )  # fmt: skip
    for name, resource in known.items():
        if name not in planned and resource.stack in built:
            yield Difference("state", resource.host, name, "Pulumi の状態", "", resource.stack, "remove-tenant")
