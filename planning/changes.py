"""What a plan has otherwise than the plan that it keeps, why, and which runbook carries it out on what stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

from capacity.records import Placement, RunTable, Schedule
from estate.clock import JST
from estate.resolved import ResolvedEstate
from layout.records import ChangeRecord, FlowEnd, FlowRecord, HostRecord, Layout, NetworkRecord

from .change_record import FROM_ESTATE, change
from .keeping import Keeping
from .vm_changes import vm_changes


def changes(
    kept: Keeping, estate: ResolvedEstate, layout: Layout, runs: RunTable, planned: Schedule, placed: Placement
) -> tuple[ChangeRecord, ...]:
    """Every change, those first that touch hosts and standing VMs, and start times at last."""
    before = kept.folder.layout
    return (
        *_hosts(kept, layout, {each.site for each in placed.lowered}),
        *vm_changes(kept.folder, estate, layout, placed),
        *_networks(before, layout),
        *_flows(before.flows, layout.flows),
        *_images(before, layout),
        *_start_times(runs, planned),
        *_job_runs(kept, runs),
    )


def _hosts(kept: Keeping, layout: Layout, lowered: Collection[str]) -> Iterator[ChangeRecord]:
    before = {host.id: host for host in kept.folder.layout.hosts}
    after = {host.id: host for host in layout.hosts}
    carrying = {vm.host for vm in kept.folder.layout.vms}
    for name, host in before.items():
        if name not in after:
            runbook = "evacuate-host" if name in carrying else ""
            yield change("host", "removed", name, runbook=runbook, reason="構成ファイルにないため")
        elif name in kept.without and (name in carrying or host.spare):
            was = "使用" if name in carrying else "予備"
            reason = "使わない指定のため（--without-host）"
            if name in carrying:
                reason += "。ホストが壊れて戻らないときは restore-dead-host-vms"
            yield change("host", "changed", name, "use", was, "使わない", reason=reason, runbook="evacuate-host")
    for name, host in after.items():
        if name not in before:
            yield change("host", "added", name, reason=FROM_ESTATE, runbook="add-host")
        else:
            yield from _host(before[name], host)
            if before[name].spare != host.spare and name not in kept.without:
                yield _reserve(kept, host, lowered=host.site in lowered)


def _host(before: HostRecord, after: HostRecord) -> Iterator[ChangeRecord]:
    sizes = ("site", "sockets", "socket_capacity", "cores_per_socket", "threads_per_core", "memory_mib", "disk_gib")
    for name in (*sizes, "model", "io_mib_s", "uri"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            runbook = "replace-host" if name in sizes else ""
            yield change("host", "changed", after.id, name, str(old), str(new), reason=FROM_ESTATE, runbook=runbook)
    if before.pools != after.pools:
        pools = [" ".join(f"{pool.name}={pool.path}" for pool in host.pools) for host in (before, after)]
        yield change("host", "changed", after.id, "pools", *pools, reason=FROM_ESTATE)


def _reserve(kept: Keeping, host: HostRecord, *, lowered: bool) -> ChangeRecord:
    before, after = ("使用", "予備") if host.spare else ("予備", "使用")
    reason = "予備にするホストを選び直したため"
    if not host.spare and host.id in kept.moves.values():
        reason = "移動先に指定されたため（--move）"
    elif not host.spare and lowered:
        reason = "予備を減らしたため（--without-host、--move）"
    return change("host", "changed", host.id, "spare", before, after, reason=reason)


def _networks(before: Layout, after: Layout) -> Iterator[ChangeRecord]:
    old = {network.id: network for network in before.networks}
    new = {network.id: network for network in after.networks}
    for name in old:
        if name not in new:
            reason = "つながる仮想サーバがなくなったため"
            yield change("network", "removed", name, reason=reason, runbook="apply-network")
    for name, network in new.items():
        if name not in old:
            yield change(
                "network", "added", name, after=network.subnet, runbook="apply-network",
                reason="この拠点、団体、区分に初めて仮想サーバを置くため",
            )  # fmt: skip
        else:
            yield from _network(old[name], network)


def _network(before: NetworkRecord, after: NetworkRecord) -> Iterator[ChangeRecord]:
    for name in ("site", "tenant", "segment", "bridge", "vlan", "vni", "subnet", "gateway", "mtu"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            yield change(
                "network", "changed", after.id, name, str(old), str(new), runbook="apply-network",
                reason="仮想サーバが増えてサブネットに収まらないため",
            )  # fmt: skip


def _flows(before: Sequence[FlowRecord], after: Sequence[FlowRecord]) -> Iterator[ChangeRecord]:
    old, new = Counter(map(_flow, before)), Counter(map(_flow, after))
    for flow in old - new:
        yield change("flow", "removed", flow, reason=FROM_ESTATE, runbook="apply-network")
    for flow in new - old:
        yield change("flow", "added", flow, reason=FROM_ESTATE, runbook="apply-network")


def _flow(flow: FlowRecord) -> str:
    port = "" if flow.port is None else f"/{flow.port}"
    return f"{_end(flow.source)} → {_end(flow.destination)} {flow.protocol}{port}"


def _end(end: FlowEnd) -> str:
    named = (end.tenant, end.segment, end.system, end.address)
    return "/".join(part for part in named if part is not None) or "*"


def _images(before: Layout, after: Layout) -> Iterator[ChangeRecord]:
    old, new = ({image.id: image.digest for image in layout.images} for layout in (before, after))
    for name in old:
        if name not in new:
            yield change("image", "removed", name, reason="使う仮想サーバがなくなったため")
    for name, digest in new.items():
        if name not in old:
            yield change("image", "added", name, reason="新しい仮想サーバが使うため")
        elif old[name] != digest:
            yield change("image", "changed", name, "digest", old[name], digest, reason=FROM_ESTATE)


def _start_times(runs: RunTable, planned: Schedule) -> Iterator[ChangeRecord]:
    def at(seconds: float) -> str:
        return (runs.epoch + timedelta(seconds=seconds)).astimezone(JST).isoformat(timespec="minutes")

    for moved in planned.displaced:
        start = float(planned.start_s[moved.run])
        yield change(
            "time", "changed", runs.run_ids[moved.run], "start", at(moved.kept_s), at(start), reason=moved.reason
        )


def _job_runs(kept: Keeping, runs: RunTable) -> Iterator[ChangeRecord]:
    """New and dropped runs, one line per job."""
    old = kept.folder.runs.column("run_id").to_pylist()
    here, there = set(runs.run_ids), set(old)
    jobs_before = {(job.tenant, job.system, job.job) for job in kept.folder.estate.jobs}
    known_before = {"/".join(job) for job in jobs_before}
    known_now = set(runs.job_names)
    gone = Counter(name.rsplit("/", 1)[0] for name in old if name not in here)
    come = Counter(name.rsplit("/", 1)[0] for name in runs.run_ids if name not in there)
    for job, count in sorted(gone.items()):
        reason = "実行日が変わったため" if job in known_now else "このジョブがなくなったため"
        yield change("time", "removed", job, "runs", before=f"{count}", reason=reason)
    for job, count in sorted(come.items()):
        reason = "実行日が変わったため" if job in known_before else "このジョブが新しいため"
        yield change("time", "added", job, "runs", after=f"{count}", reason=reason)
