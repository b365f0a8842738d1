"""`kumiai drift`: the plan against Pulumi's records, and against what libvirt and the networks really run."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from infra import admission, engine, settings
from infra.admission import Observations
from infra.inspection import differences, image_bytes, standing
from infra.inspection.differences import Difference, Wanted
from infra.inspection.standing import Standing
from infra.observing import observation
from infra.observing.observed import Unreachable
from infra.observing.virsh import Hosts
from infra.recovery import checkpoint
from infra.segmentation import check as network_check
from layout.connections import Connection
from layout.records import Layout
from layout.uplinks import Uplinks, read_uplinks

TOKYO = ZoneInfo("Asia/Tokyo")


@dataclass(frozen=True)
class Drift:
    """Every difference that was found; hosts that did not answer; what was not looked at and why."""

    differences: tuple[Difference, ...]
    down: dict[str, str]
    notes: tuple[str, ...]
    vms: int

    @property
    def verdict(self) -> str:
        """The answer in one line."""
        away = f"、応答しないホスト {len(self.down)} 台" if self.down else ""
        if not self.differences:
            return f"判定：差分なし — 仮想サーバ {self.vms} 台が計画のとおりです{away}"
        vms = {each.vm for each in self.differences if each.vm}
        return f"判定：差分あり — {len(self.differences)} 件（仮想サーバ {len(vms)} 台）{away}"


def drift(
    layout: Layout,
    chosen: settings.Settings,
    *,
    state: Path,
    uplinks: Path | None = None,
    now: datetime | None = None,
    images: bool = False,
    deadline_s: float = observation.DEADLINE_S,
    progress: Callable[[str], None] = lambda _: None,
) -> Drift:
    """Compares the plan with Pulumi's records below `state`, with libvirt on every host, and with their networks.

    `now` decides which of a VM's planned vCPU numbers counts; `images` reads the bytes of base images too.
    Raises FolderError, RefusalError, EngineError and CheckpointError.
    """
    stacks = admission.stack_names(layout)
    uris = {host.id: admission.uri_of(host, chosen) for host in layout.hosts}
    # Read first: a mistake in a file is told before anybody is asked.
    wires = None if uplinks is None else read_uplinks(uplinks)
    gateways = network_check.gateways_beside(chosen.uris_file)
    recorded = recorded_in(state, stacks)
    seen = observation.observe_all(uris, deadline_s=deadline_s)
    wanted = Wanted(layout, now or datetime.now(TOKYO), chosen.domain_type == "qemu", recorded)
    found = compare(wanted, seen)
    if images:
        held = image_bytes.digests(image_bytes.copies(layout, layout.hosts, seen), Hosts(uris), progress=progress)
        found += image_bytes.differences(held, layout, recorded)
    answering = {host: uri for host, uri in uris.items() if not isinstance(seen[host], Unreachable)}
    more, notes = _of_networks(layout, wires, answering, gateways)
    if not recorded.outputs:
        notes = (*notes, f"{state}: Pulumi の状態がないので、計画と実機だけを比べました")
    down = {host: each.reason for host, each in seen.items() if isinstance(each, Unreachable)}
    away = {vm.id for vm in layout.vms if vm.host in down}
    return Drift((*found, *more), down, notes, len(layout.vms) - len(away))


def compare(wanted: Wanted, seen: Observations) -> tuple[Difference, ...]:
    """The differences of plan, records and libvirt, without asking anybody."""
    stacks = admission.stack_names(wanted.layout)
    return (*differences.find(wanted, seen), *differences.of_state(wanted.layout, wanted.standing, stacks))


def recorded_in(state: Path, stacks: tuple[str, ...]) -> Standing:
    """What Pulumi's records below `state` say. Raises EngineError and CheckpointError.

    The engine is woken only for a backend that is not a folder: a look at two thousand VMs must not take an hour.
    """
    state = state.resolve()
    own = os.environ.get("PULUMI_BACKEND_URL") or f"file://{state / 'stacks'}"
    if checkpoint.files_of({"PULUMI_BACKEND_URL": own}, "") is not None:
        return standing.read(stacks, state, {**os.environ, "PULUMI_BACKEND_URL": own})
    return standing.read(stacks, engine.project(state), engine.environment(state))


def _of_networks(
    layout: Layout, wires: Uplinks | None, uris: dict[str, str], gateways: Mapping[str, Connection]
) -> tuple[tuple[Difference, ...], tuple[str, ...]]:
    if wires is None:
        return (), ("アップリンクのファイルがないので、ネットワークの設定は調べていません（--uplinks）",)
    found: list[Difference] = []
    notes: list[str] = []
    for answer in network_check.check(layout, wires, uris, gateways):
        if answer.unknown:
            notes.append(f"{answer.name}：{answer.unknown}")
        found += [
            Difference("network-rules", answer.name, "", "ネットワークの設定", "計画のとおり", line, "apply-network")
            for line in answer.differences
        ]
    return tuple(found), tuple(notes)
