"""Random damages to a plan folder, for mutation tests of the checkers.

`damages(folder, seed, count)` takes any folder that passes its checks (hand-made, or read from `kumiai plan`) and gives
changed copies. Most break a rule by construction and name the checker that must refuse them; some are harmless by
construction; for the rest an oracle decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from layout import folder as plan_folder
from layout.folder import FolderContents, PlanFolder
from layout.records import CheckVerdict, FlowEnd, FlowRecord, MisfitRecord

Settle = Callable[[FolderContents], FolderContents]
SLOT = timedelta(minutes=10)


@dataclass(frozen=True)
class Damage:
    """A changed folder. `refused_by`: the checker that must refuse it; `harmless`: every checker must accept it."""

    name: str
    folder: PlanFolder
    refused_by: str | None = None
    harmless: bool = False


class UnsuitableError(Exception):
    """This damage cannot be done to this folder (e.g. no exclusive run in it)."""


@dataclass
class Bench:
    """One damage in the making: the folder, chance, and how figures are settled after a change of runs."""

    folder: PlanFolder
    rng: np.random.Generator
    settle: Settle | None

    def one(self, items):
        items = list(items)
        if not items:
            raise UnsuitableError
        return items[int(self.rng.integers(len(items)))]

    def row(self, *, where: np.ndarray | None = None) -> int:
        """A random row of the runs table."""
        return int(self.one(range(self.folder.runs.num_rows) if where is None else np.flatnonzero(where)))

    def run(self, row: int) -> dict:
        return self.folder.runs.slice(row, 1).to_pylist()[0]

    def column(self, name: str) -> np.ndarray:
        return self.folder.runs.column(name).to_numpy()

    def made(self, *, settled: bool = False, count_runs: bool = True, **changes) -> PlanFolder:
        """The folder with changed parts; with `settled`, profile, peaks and bounds follow the changed runs."""
        contents = replace(self.folder, **changes)
        if settled and self.settle is not None:
            runs = contents.run.runs
            contents = self.settle(contents)
            if not count_runs:
                contents = replace(contents, run=contents.run.model_copy(update={"runs": runs}))
        return plan_folder.assemble(Path("damaged"), contents)

    def with_cells(self, row: int, **cells) -> PlanFolder:
        return self.made(settled=True, runs=set_cells(self.folder.runs, row, cells))

    def moved(self, row: int, start: datetime, **cells) -> PlanFolder:
        """The run at another time, its length kept."""
        run = self.run(row)
        return self.with_cells(row, start=start, end=start + (run["end"] - run["start"]), **cells)

    def with_layout(self, *, settled: bool = False, **changes) -> PlanFolder:
        return self.made(settled=settled, layout=self.folder.layout.model_copy(update=changes))

    def with_vm(self, vm, *, settled: bool = False, **changes) -> PlanFolder:
        return self.with_layout(settled=settled, vms=changed(self.folder.layout.vms, vm, changes))

    def with_host(self, host, **changes) -> PlanFolder:
        return self.with_layout(hosts=changed(self.folder.layout.hosts, host, changes))

    def with_run_record(self, **changes) -> PlanFolder:
        return self.made(run=self.folder.run.model_copy(update=changes))

    def vm(self):
        return self.one(self.folder.layout.vms)


def set_cells(table: pa.Table, row: int, cells: dict) -> pa.Table:
    for name, value in cells.items():
        index = table.schema.get_field_index(name)
        field = table.schema.field(index)
        column = table.column(index)
        chunks = [*column.slice(0, row).chunks, pa.array([value], type=field.type), *column.slice(row + 1).chunks]
        table = table.set_column(index, field, pa.chunked_array(chunks, type=field.type))
    return table


def changed(items: tuple, item, changes: dict) -> tuple:
    return tuple(other.model_copy(update=changes) if other is item else other for other in items)


def shift_one_slot(b: Bench) -> Damage:
    row = b.row()
    return Damage("one slot away", b.moved(row, b.run(row)["start"] + b.one([-SLOT, SLOT])))


def move_in_window(b: Bench) -> Damage:
    row = b.row()
    run = b.run(row)
    slots = int((run["window_end"] - run["window_start"]) / SLOT)
    return Damage("elsewhere in its window", b.moved(row, run["window_start"] + SLOT * int(b.rng.integers(slots))))


def move_to_another_day(b: Bench) -> Damage:
    row = b.row()
    return Damage(
        "another day", b.moved(row, b.run(row)["start"] + timedelta(days=int(b.rng.integers(1, 5)))), "windows"
    )


def off_the_grid(b: Bench) -> Damage:
    row = b.row()
    return Damage(
        "off the grid", b.moved(row, b.run(row)["start"] + timedelta(seconds=int(b.rng.integers(1, 600)))), "windows"
    )


def false_end(b: Bench) -> Damage:
    row = b.row()
    return Damage(
        "an end that is not start + work", b.with_cells(row, end=b.run(row)["end"] - timedelta(seconds=1)), "windows"
    )


def widen_window(b: Bench) -> Damage:
    row = b.row()
    end = b.run(row)["window_end"] + timedelta(hours=2)
    return Damage("a window that nobody gave", b.with_cells(row, window_end=end), "windows")


def widen_deadline(b: Bench) -> Damage:
    row = b.row()
    late = b.run(row)["deadline"] + timedelta(days=40)
    return Damage("a deadline after the last window", b.with_cells(row, deadline=late), "windows")


def past_window(b: Bench) -> Damage:
    row = b.row()
    run = b.run(row)
    start = run["window_end"] - SLOT * int((run["end"] - run["start"]) / SLOT - 1e-9)
    return Damage("over the window's end", b.moved(row, start), "windows")


def before_release(b: Bench) -> Damage:
    row = b.row()
    return Damage("before its release", b.moved(row, b.run(row)["release"] - SLOT), "deadlines")


def early_deadline(b: Bench) -> Damage:
    row = b.row()
    return Damage("past its deadline", b.with_cells(row, deadline=b.run(row)["end"] - SLOT), "deadlines")


def false_release(b: Bench) -> Damage:
    row = b.row()
    release = b.run(row)["release"] + SLOT
    return Damage("a release inside the window", b.with_cells(row, release=release), "dates")


def drop_run(b: Bench) -> Damage:
    row = b.row()
    runs = pa.concat_tables([b.folder.runs.slice(0, row), b.folder.runs.slice(row + 1)])
    return Damage("a run left out", b.made(settled=True, count_runs=False, runs=runs), "completeness")


def drop_run_quietly(b: Bench) -> Damage:
    row = b.row()
    runs = pa.concat_tables([b.folder.runs.slice(0, row), b.folder.runs.slice(row + 1)])
    record = b.folder.run.model_copy(update={"runs": runs.num_rows})
    return Damage("a run left out, and the count changed", b.made(settled=True, runs=runs, run=record), "dates")


def duplicate_run(b: Bench) -> Damage:
    row = b.row()
    runs = pa.concat_tables([b.folder.runs, b.folder.runs.slice(row, 1)])
    return Damage("a run twice", b.made(settled=True, runs=runs), "completeness")


def rename_job(b: Bench) -> Damage:
    return Damage("an unknown job", b.with_cells(b.row(), job="no-such-job"), "completeness")


def other_vm(b: Bench) -> Damage:
    row = b.row()
    vm = b.one(vm.id for vm in b.folder.layout.vms if vm.id != b.run(row)["vm"])
    return Damage("a run on another VM", b.with_cells(row, vm=vm), "completeness")


def less_work(b: Bench) -> Damage:
    row = b.row(where=b.column("cpu_s") > 0)
    run = b.run(row)
    work = run["cpu_s"] / 2
    end = run["start"] + timedelta(seconds=run["fixed_s"] + work / run["max_cores"])
    return Damage("half the work", b.with_cells(row, cpu_s=work, end=end), "completeness")


def more_cores(b: Bench) -> Damage:
    row = b.row()
    run = b.run(row)
    cores = run["max_cores"] * 1.5
    end = run["start"] + timedelta(seconds=run["fixed_s"] + run["cpu_s"] / cores)
    return Damage("more cores than the job takes", b.with_cells(row, max_cores=cores, end=end), "completeness")


def not_exclusive(b: Bench) -> Damage:
    row = b.row(where=b.column("exclusive"))
    return Damage("exclusive no more", b.with_cells(row, exclusive=False), "completeness")


def no_rerun_room(b: Bench) -> Damage:
    row = b.row(where=b.column("rerun_room"))
    return Damage("no room for a rerun asked", b.with_cells(row, rerun_room=False), "completeness")


def late_in_window(b: Bench) -> Damage:
    row = b.row(where=b.column("rerun_room"))
    run = b.run(row)
    length = run["end"] - run["start"]
    if length < timedelta(minutes=20):
        raise UnsuitableError
    start = run["window_end"] - SLOT * -(-length // SLOT)
    return Damage("no room for a rerun left", b.moved(row, start), "rerun_room")


def onto_exclusive(b: Bench) -> Damage:
    runs = b.folder.runs
    row = b.row(where=b.column("exclusive"))
    run = b.run(row)
    same = (b.column("tenant") == run["tenant"]) & (b.column("system") == run["system"])
    same[row] = False
    # Runs of the same night: pandas-free comparison of the window's start in microseconds.
    night = runs.column("window_start").cast(pa.int64()).to_numpy()
    other = b.row(where=same & (night == night[row]) & (b.column("cpu_s") + b.column("fixed_s") > 0))
    return Damage("beside an exclusive run", b.moved(other, run["start"]), "exclusivity")


def shorter_lag(b: Bench) -> Damage:
    row = b.row(where=has_predecessor(b))
    after = [{**pair, "lag_s": pair["lag_s"] + 40 * 86_400.0} for pair in b.run(row)["after"]]
    return Damage("a lag that is not kept", b.with_cells(row, after=after), "precedence")


def no_lag(b: Bench) -> Damage:
    row = b.row(where=has_predecessor(b))
    after = b.run(row)["after"]
    if not any(pair["lag_s"] > 0 for pair in after):
        raise UnsuitableError
    return Damage("the lag left out", b.with_cells(row, after=[{**pair, "lag_s": 0.0} for pair in after]), "precedence")


def no_predecessor(b: Bench) -> Damage:
    return Damage("the predecessor left out", b.with_cells(b.row(where=has_predecessor(b)), after=[]), "precedence")


def unknown_predecessor(b: Bench) -> Damage:
    row = b.row(where=has_predecessor(b))
    after = [{**pair, "run": pair["run"] + "0"} for pair in b.run(row)["after"]]
    return Damage("a predecessor that does not exist", b.with_cells(row, after=after), "precedence")


def before_predecessor(b: Bench) -> Damage:
    row = b.row(where=has_predecessor(b))
    before = b.folder.runs.column("run_id").to_pylist().index(b.run(row)["after"][0]["run"])
    first = b.run(before)
    if first["end"] - first["start"] <= timedelta():
        raise UnsuitableError
    return Damage("at the predecessor's start", b.moved(row, first["start"]), "precedence")


def has_predecessor(b: Bench) -> np.ndarray:
    return np.array(pa.compute.list_value_length(b.folder.runs.column("after")).to_numpy()) > 0


def false_earliest(b: Bench) -> Damage:
    row = b.row(where=b.column("cpu_s") > 0)
    runs = set_cells(b.folder.runs, row, {"earliest_start": b.run(row)["earliest_start"] + SLOT})
    return Damage("another earliest start", b.made(runs=runs), "peak")


def drop_vm(b: Bench) -> Damage:
    vm = b.vm()
    return Damage(
        "a VM left out", b.with_layout(vms=tuple(v for v in b.folder.layout.vms if v is not vm)), "completeness"
    )


def rename_vm(b: Bench) -> Damage:
    return Damage("a VM renamed", b.with_vm(b.vm(), id="somebody-else"), "completeness")


def swap_hosts(b: Bench) -> Damage:
    first, second = b.vm(), b.vm()
    vms = changed(b.folder.layout.vms, first, {"host": second.host})
    return Damage("two VMs change places", b.with_layout(settled=True, vms=changed(vms, second, {"host": first.host})))


def random_host(b: Bench) -> Damage:
    return Damage("a VM somewhere else", b.with_vm(b.vm(), settled=True, host=b.one(b.folder.layout.hosts).id))


def onto_reserve(b: Bench) -> Damage:
    host = b.one(host for host in b.folder.layout.hosts if host.spare)
    vm = b.one(vm for vm in b.folder.layout.vms if vm.site == host.site)
    return Damage("a VM on the reserve", b.with_vm(vm, settled=True, host=host.id), "reserve")


def unplaced(b: Bench) -> Damage:
    return Damage("a VM without a host", b.with_vm(b.vm(), settled=True, host=""), "hosts")


def together(b: Bench) -> Damage:
    first, second = b.one(
        (a, c)
        for a in b.folder.layout.vms
        for c in b.folder.layout.vms
        if a.id < c.id and (a.tenant, a.system, a.role, a.site) == (c.tenant, c.system, c.role, c.site)
    )
    return Damage("replicas together", b.with_vm(first, settled=True, host=second.host), "anti_affinity")


def all_on_one_host(b: Bench) -> Damage:
    host = b.one(host for host in b.folder.layout.hosts if not host.spare)
    vms = tuple(vm.model_copy(update={"host": host.id}) if vm.site == host.site else vm for vm in b.folder.layout.vms)
    return Damage("everything on one host", b.with_layout(settled=True, vms=vms))


def shrink_host(b: Bench) -> Damage:
    host = used_host(b)
    name, value = b.one(
        [("memory_mib", host.memory_mib - 2048), ("disk_gib", host.disk_gib / 2), ("cores_per_socket", 1)]
    )
    if getattr(host, name) == value:
        raise UnsuitableError
    return Damage(f"a smaller host ({name})", b.with_host(host, **{name: value}), "hosts")


def really_smaller_host(b: Bench) -> Damage:
    """Estate and layout agree on the smaller host: only its capacity speaks."""
    host = used_host(b)
    need = sum(vm.memory_mib for vm in b.folder.layout.vms if vm.host == host.id)
    memory = int(need / b.folder.estate.policy.memory_overcommit) - 1024
    hosts = tuple(
        h.model_copy(update={"memory_gib": memory / 1024}) if h.id == host.id else h for h in b.folder.estate.hosts
    )
    layout = b.folder.layout.model_copy(update={"hosts": changed(b.folder.layout.hosts, host, {"memory_mib": memory})})
    return Damage(
        "a host with too little memory",
        b.made(estate=b.folder.estate.model_copy(update={"hosts": hosts}), layout=layout),
        "capacity",
    )


def smaller_reserve(b: Bench) -> Damage:
    """The reserve takes no host's VMs any more; estate and layout agree."""
    policy = b.folder.estate.policy
    if not policy.spare_hosts:
        raise UnsuitableError
    spare = {host.id for host in b.folder.layout.hosts if host.spare}
    if not spare:
        raise UnsuitableError
    hosts = tuple(h.model_copy(update={"memory_gib": 1.0}) if h.id in spare else h for h in b.folder.estate.hosts)
    own = tuple(h.model_copy(update={"memory_mib": 1024}) if h.id in spare else h for h in b.folder.layout.hosts)
    return Damage(
        "a reserve too small to help",
        b.made(
            estate=b.folder.estate.model_copy(update={"hosts": hosts}),
            layout=b.folder.layout.model_copy(update={"hosts": own}),
        ),
        "reserve",
    )


def no_reserve(b: Bench) -> Damage:
    used = {vm.site for vm in b.folder.layout.vms}
    if not b.folder.estate.policy.spare_hosts or not any(
        host.spare and host.site in used for host in b.folder.layout.hosts
    ):
        raise UnsuitableError
    hosts = tuple(host.model_copy(update={"spare": False}) for host in b.folder.layout.hosts)
    return Damage("no reserve", b.with_layout(settled=True, hosts=hosts), "reserve")


def used_host(b: Bench):
    carrying = {vm.host for vm in b.folder.layout.vms}
    return b.one(host for host in b.folder.layout.hosts if host.id in carrying)


def other_size(b: Bench) -> Damage:
    vm = b.vm()
    name, value = b.one(
        [
            ("vcpu", vm.vcpu + 1),
            ("vcpu_max", vm.vcpu_max + 1),
            ("memory_mib", vm.memory_mib * 2),
            ("slots", vm.slots + 1),
            ("disks", vm.disks[1:]),
            ("restore_priority", 9),
            ("segment", "backup"),
            ("image", "other"),
        ]
    )
    if getattr(vm, name) == value:
        raise UnsuitableError
    return Damage(f"another {name}", b.with_vm(vm, **{name: value}), "completeness")


def no_products(b: Bench) -> Damage:
    vm = b.one(vm for vm in b.folder.layout.vms if vm.products)
    return Damage("a product left out", b.with_vm(vm, products=()), "completeness")


def no_group(b: Bench) -> Damage:
    vm = b.one(vm for vm in b.folder.layout.vms if vm.anti_affinity)
    return Damage("an anti-affinity group left out", b.with_vm(vm, anti_affinity=()), "completeness")


def foreign_network(b: Bench) -> Damage:
    vm = b.vm()
    other = b.one(network.id for network in b.folder.layout.networks if network.id != vm.network)
    return Damage("in another's network", b.with_vm(vm, network=other), "network")


def foreign_address(b: Bench) -> Damage:
    return Damage("an address outside the subnet", b.with_vm(b.vm(), address="192.0.2.7"), "network")


def gateway_address(b: Bench) -> Damage:
    vm = b.vm()
    gateway = next(network.gateway for network in b.folder.layout.networks if network.id == vm.network)
    return Damage("the gateway's address", b.with_vm(vm, address=gateway), "network")


def same_address(b: Bench) -> Damage:
    vm = b.vm()
    other = b.one(o for o in b.folder.layout.vms if o is not vm and o.network == vm.network)
    return Damage("an address twice", b.with_vm(vm, address=other.address), "consistency")


def same_mac(b: Bench) -> Damage:
    vm = b.vm()
    other = b.one(o for o in b.folder.layout.vms if o is not vm)
    return Damage("a MAC twice", b.with_vm(vm, mac=other.mac), "consistency")


def same_vlan(b: Bench) -> Damage:
    networks = b.folder.layout.networks
    first = b.one(networks)
    second = b.one(n for n in networks if n is not first and n.site == first.site and n.vlan is not None)
    return Damage(
        "a VLAN twice on a site", b.with_layout(networks=changed(networks, first, {"vlan": second.vlan})), "consistency"
    )


def same_subnet(b: Bench) -> Damage:
    networks = b.folder.layout.networks
    first = b.one(networks)
    second = b.one(n for n in networks if n is not first)
    changes = {"subnet": second.subnet, "gateway": second.gateway}
    return Damage("a subnet twice", b.with_layout(networks=changed(networks, first, changes)), "network")


def unknown_host_set(b: Bench) -> Damage:
    return Damage("an unknown host set", b.with_vm(b.vm(), may_run_on="nowhere"), "consistency")


def narrow_host_set(b: Bench) -> Damage:
    vm = b.vm()
    sets = tuple(
        s.model_copy(update={"hosts": tuple(h for h in s.hosts if h != vm.host)}) if s.id == vm.may_run_on else s
        for s in b.folder.layout.host_sets
    )
    return Damage("a host outside the VM's host set", b.with_layout(host_sets=sets), "hosts")


def extra_flow(b: Bench) -> Damage:
    vm = b.vm()
    flow = FlowRecord(
        source=FlowEnd(segment="internet"), destination=FlowEnd(tenant=vm.tenant), protocol="tcp", port=3389
    )
    return Damage("traffic that nobody allowed", b.with_layout(flows=(*b.folder.layout.flows, flow)), "network")


def bound_figure(b: Bench) -> Damage:
    bound = b.one(b.folder.layout.bounds)
    name, value = b.one(
        [
            ("plan", bound.plan * 0.9),
            ("lower_bound", bound.plan * 1.1),
            ("gap", bound.gap / 2 - 0.01),
            ("lower_bound", bound.lower_bound * 0.9),
            ("proof", " "),
        ]
    )
    bounds = changed(b.folder.layout.bounds, bound, {name: value})
    return Damage(f"another {name} of a bound", b.with_layout(bounds=bounds), "bounds")


def drop_bound(b: Bench) -> Damage:
    bound = b.one(b.folder.layout.bounds)
    return Damage(
        "a bound left out", b.with_layout(bounds=tuple(o for o in b.folder.layout.bounds if o is not bound)), "bounds"
    )


def peak_figure(b: Bench) -> Damage:
    peak = b.one(b.folder.run.peaks)
    name, value = b.one(
        [
            ("after_cores", peak.after_cores * 0.9),
            ("before_cores", peak.before_cores + 1),
            ("tightest_week", "2027-04-06"),
            ("after_at", peak.after_at + timedelta(days=200)),
            ("capacity_cores", peak.capacity_cores + 8),
        ]
    )
    return Damage(
        f"another {name} of a peak", b.with_run_record(peaks=changed(b.folder.run.peaks, peak, {name: value})), "peak"
    )


def profile_value(b: Bench) -> Damage:
    row = int(b.one(range(b.folder.profile.num_rows)))
    name = b.one(["before", "after"])
    value = b.folder.profile.column(name)[row].as_py() + 0.001
    return Damage(f"a profile value ({name})", b.made(profile=set_cells(b.folder.profile, row, {name: value})), "peak")


def drop_profile_row(b: Bench) -> Damage:
    row = int(b.one(range(b.folder.profile.num_rows)))
    profile = pa.concat_tables([b.folder.profile.slice(0, row), b.folder.profile.slice(row + 1)])
    return Damage("a profile row left out", b.made(profile=profile), "peak")


def online_value(b: Bench) -> Damage:
    row = int(b.one(range(b.folder.online.num_rows)))
    cores = b.folder.online.column("cores")[row].as_py() / 2
    return Damage(
        "half the online load", b.made(settled=True, online=set_cells(b.folder.online, row, {"cores": cores})), "online"
    )


def digests(b: Bench) -> Damage:
    if b.rng.random() < 0.5:
        return Damage("another estate's digest", b.with_run_record(estate_digest="0" * 64), "digest")
    damaged = replace(b.made(), run=b.folder.run.model_copy(update={"layout_digest": "0" * 64}))
    return Damage("another layout's digest", damaged, "digest")


def fits_anyway(b: Bench) -> Damage:
    misfit = MisfitRecord(reason="枠を超過", kind="window")
    failed = CheckVerdict(checker="windows", passed=False, violations=("…",), count=1)
    return Damage(
        "fits in spite of a reason", b.with_run_record(**b.one([{"misfits": (misfit,)}, {"checks": (failed,)}])), "fits"
    )


def shuffle_runs(b: Bench) -> Damage:
    order = b.rng.permutation(b.folder.runs.num_rows)
    return Damage("rows in another order", b.made(runs=b.folder.runs.take(pa.array(order))), harmless=True)


def shuffle_vms(b: Bench) -> Damage:
    vms = b.folder.layout.vms
    return Damage(
        "VMs in another order", b.with_layout(vms=tuple(vms[i] for i in b.rng.permutation(len(vms)))), harmless=True
    )


def next_generation(b: Bench) -> Damage:
    return Damage("the next generation", b.with_layout(generation=b.folder.layout.generation + 1), harmless=True)


def modest_bound(b: Bench) -> Damage:
    """A smaller bound with its own gap is still true."""
    bound = b.one(bound for bound in b.folder.layout.bounds if bound.resource == "hosts" and bound.lower_bound > 1)
    lower = bound.lower_bound - 0.5
    changes = {"lower_bound": lower, "gap": (bound.plan - lower) / lower}
    return Damage(
        "a weaker bound", b.with_layout(bounds=changed(b.folder.layout.bounds, bound, changes)), harmless=True
    )


def other_mac(b: Bench) -> Damage:
    return Damage("another free MAC", b.with_vm(b.vm(), mac="52:54:00:fe:dc:ba"), harmless=True)


def other_weight(b: Bench) -> Damage:
    return Damage("another weight", b.with_vm(b.vm(), weight=2.0), harmless=True)


KINDS: tuple[Callable[[Bench], Damage], ...] = (
    shift_one_slot,
    move_in_window,
    move_to_another_day,
    off_the_grid,
    false_end,
    widen_window,
    widen_deadline,
    past_window,
    before_release,
    early_deadline,
    false_release,
    drop_run,
    drop_run_quietly,
    duplicate_run,
    rename_job,
    other_vm,
    less_work,
    more_cores,
    not_exclusive,
    no_rerun_room,
    late_in_window,
    onto_exclusive,
    shorter_lag,
    no_lag,
    no_predecessor,
    unknown_predecessor,
    before_predecessor,
    false_earliest,
    drop_vm,
    rename_vm,
    swap_hosts,
    random_host,
    onto_reserve,
    unplaced,
    together,
    all_on_one_host,
    shrink_host,
    really_smaller_host,
    smaller_reserve,
    no_reserve,
    other_size,
    no_products,
    no_group,
    foreign_network,
    foreign_address,
    gateway_address,
    same_address,
    same_mac,
    same_vlan,
    same_subnet,
    unknown_host_set,
    narrow_host_set,
    extra_flow,
    bound_figure,
    drop_bound,
    peak_figure,
    profile_value,
    drop_profile_row,
    online_value,
    digests,
    fits_anyway,
    shuffle_runs,
    shuffle_vms,
    next_generation,
    modest_bound,
    other_mac,
    other_weight,
)


def damages(folder: PlanFolder, seed: int, count: int, settle: Settle | None = None) -> Iterator[Damage]:
    """`count` damages, every kind in turn where the folder allows it.

    `settle` makes profile, peaks and bounds agree with changed runs, so that only the responsible checker has a reason
    to refuse (`accounts.settle`; slow on large folders). Without it the figures disagree as well.
    """
    rng = np.random.default_rng(seed)
    made, unsuitable = 0, 0
    while made < count:
        kind = KINDS[(made + unsuitable) % len(KINDS)]
        try:
            yield kind(Bench(folder, rng, settle))
            made += 1
        except UnsuitableError:
            unsuitable += 1
            if unsuitable > 10 * (count + len(KINDS)):
                raise
