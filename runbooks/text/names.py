"""The names that templates of a runbook may use, besides its own parameters, `let`s and facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from estate.clock import JST
from layout import connections
from layout.errors import FolderError
from layout.records import DiskRecord, HostRecord, Layout, NetworkRecord, VmRecord
from layout.uplinks import read_uplinks
from runbooks.errors import RunbookError, Value
from runbooks.reaching.transport import LOCAL

BUILT_IN = (
    "layout", "layout_digest", "plan", "today", "state", "uris", "uplinks", "operator", "run_id", "now", "work",
    "kumiai_options", "host", "host_by_id", "vm_by_id", "vms_on", "vms_of", "network_of", "network_by_id",
    "pool_path", "volume_path", "apart_from", "misplaced", "moves_from", "virsh_uri", "moved_from", "stack_of",
    "gateways", "address_of", "machine", "local",
)  # fmt: skip


@dataclass(frozen=True)
class Site:
    """What a run works on: the plan, and where things are reached. Paths are absolute."""

    layout: Layout
    plan: Path
    state: Path
    uris: Mapping[str, str]
    """Host -> URI, where it differs from the plan's."""
    uris_file: Path | None = None
    uplinks: Path | None = None
    domain_type: str = "kvm"
    layout_digest: str = ""

    def uri(self, host: str) -> str:
        """The libvirt URI of a host. Raises RunbookError."""
        known = next((each for each in self.layout.hosts if each.id == host), None)
        uri = self.uris.get(host) or (known.uri if known else "")
        if not uri:
            raise RunbookError(f"ホスト「{host}」の URI がありません（計画にも --uris のファイルにも）")
        return uri

    @property
    def options(self) -> tuple[str, ...]:
        """The words that make another `kumiai` command work on the same place."""
        words = ["--state", str(self.state), "--domain-type", self.domain_type]
        if self.uris_file is not None:
            words += ["--uris", str(self.uris_file)]
        return tuple(words)


@dataclass(frozen=True)
class Move:
    """A VM that is not where the plan has it."""

    vm: VmRecord
    source: str

    @property
    def id(self) -> str:
        """The VM's."""
        return self.vm.id


class Facts:
    """Facts by id, for templates: `facts.free`. Not a dict, whose own methods would be found first."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Value:
        return self._values[name]


def built_in(site: Site, *, operator: str, run_id: str, now: datetime, work: Path) -> dict[str, Any]:
    """The names of BUILT_IN with their values. `work` is a folder of the run on the engineer's machine."""
    layout = site.layout
    hosts = {host.id: host for host in layout.hosts}
    vms = {vm.id: vm for vm in layout.vms}
    networks = {network.id: network for network in layout.networks}
    functions: dict[str, Callable[..., Any]] = {
        "host": lambda id_: _known(hosts, id_, "ホスト"),
        "host_by_id": lambda id_: _known(hosts, id_, "ホスト"),
        "vm_by_id": lambda id_: _known(vms, id_, "仮想サーバ"),
        "vms_on": lambda host: [vm for vm in layout.vms if vm.host == _id(host)],
        "vms_of": lambda tenant: [vm for vm in layout.vms if vm.tenant == _id(tenant)],
        "network_of": lambda vm: _known(networks, vm.network, "ネットワーク"),
        "network_by_id": lambda id_: _known(networks, id_, "ネットワーク"),
        "pool_path": lambda host, pool: _pool(_known(hosts, host, "ホスト"), pool),
        "volume_path": lambda vm, disk: f"{_pool(_known(hosts, vm.host, 'ホスト'), disk.pool)}/{disk.name}",
        "apart_from": lambda vm: [other for other in layout.vms if other.id != vm.id and _apart(vm, other)],
        "misplaced": lambda places: _misplaced(layout, places),
        "moves_from": lambda host: [vm for vm in layout.vms if _source(layout, vm) == _id(host) != vm.host],
        "virsh_uri": lambda host: virsh_uri(site, _id(host)),
        "moved_from": lambda vm: _source(layout, vm),
        "stack_of": lambda vm: vm.tenant,
        "address_of": lambda vm: vm.address.partition("/")[0],
    }
    values: dict[str, Any] = {
        "layout": layout,
        "layout_digest": site.layout_digest,
        "today": now.astimezone(JST).date().isoformat(),
        "plan": str(site.plan),
        "state": str(site.state),
        "uris": "" if site.uris_file is None else str(site.uris_file),
        "uplinks": "" if site.uplinks is None else str(site.uplinks),
        "operator": operator,
        "run_id": run_id,
        "now": now.isoformat(timespec="seconds"),
        "work": str(work),
        "local": LOCAL,
        "kumiai_options": list(site.options),
        "gateways": [f"gw-{each}" for each in _gateways(site)],
    }
    return {**values, **functions}


def _gateways(site: Site) -> list[str]:
    """The sites whose gateway has a wire. Raises RunbookError."""
    if site.uplinks is None:
        return []
    try:
        wired = read_uplinks(site.uplinks).gateways
    except FolderError as error:
        raise RunbookError(str(error)) from None
    return [each for each in dict.fromkeys(host.site for host in site.layout.hosts) if each in wired]


def virsh_uri(site: Site, host: str) -> str:
    """The URI by which libvirt's own clients reach the host. Raises RunbookError."""
    try:
        return connections.parse(host, site.uri(host)).virsh_uri
    except FolderError as error:
        raise RunbookError(str(error)) from None


def _known(known: Mapping[str, Any], id_: Value, what: str) -> Value:
    found = known.get(_id(id_))
    if found is None:
        raise RunbookError(f"{what}「{_id(id_)}」は計画にありません")
    return found


def _id(thing: Value) -> str:
    if isinstance(thing, (HostRecord, VmRecord, NetworkRecord)):
        return thing.id
    return str(thing)


def _pool(host: HostRecord, pool: str) -> str:
    found = next((each for each in host.pools if each.name == pool), None)
    if found is None:
        raise RunbookError(f"ホスト「{host.id}」にプール「{pool}」はありません")
    return found.path


def _apart(vm: VmRecord, other: VmRecord) -> bool:
    """Whether an anti-affinity group keeps the two apart."""
    return bool(set(vm.anti_affinity) & set(other.anti_affinity))


def _misplaced(layout: Layout, places: Mapping[str, list[str]]) -> list[Move]:
    """The VMs that are on another host than planned, by what every host lists."""
    where = {vm: host for host, names in places.items() for vm in names}
    return [Move(vm, where[vm.id]) for vm in layout.vms if where.get(vm.id, vm.host) != vm.host]


def _source(layout: Layout, vm: VmRecord) -> str:
    """The host that a VM leaves by the plan: of its last planned move here, else where the plan has it."""
    moves = [move for move in layout.moves if move.vm == vm.id and move.to_host == vm.host]
    return max(moves, key=lambda move: move.at).from_host if moves else vm.host


__all__ = ["BUILT_IN", "DiskRecord", "Facts", "Site", "built_in", "virsh_uri"]
