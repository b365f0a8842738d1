"""What a plan made with `--keep` starts from: the earlier plan, and what somebody wants otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from capacity.levelling.keep import CAPACITY
from capacity.overload import overloaded_runs
from capacity.placement import KeptPlacement
from capacity.records import Displaced, Floats, OnlineTable, Placement, RunTable, Schedule
from estate.resolved import ResolvedEstate
from layout.errors import FolderError
from layout.folder import PlanFolder
from layout.records import HostSet, Layout, MoveRecord, ReserveRecord


class WishError(Exception):
    """`--move` or `--without-host` cannot be followed. One Japanese line; nothing was written."""

    def __init__(self, message: str, *, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def lowered_reserve(placed: Placement, names: Mapping[str, str]) -> tuple[ReserveRecord, ...]:
    """The sites that keep fewer hosts empty than the policy says, and which wishes that comes from."""

    def why(moved_to: Sequence[str], without: Sequence[str]) -> str:
        used = [f"予備の {host} に移す指定（--move）" for host in moved_to]
        return "、".join([*used, *(f"{host} を使わない指定（--without-host）" for host in without)])

    return tuple(
        ReserveRecord(
            site=each.site,
            wanted=each.wanted,
            kept=each.kept,
            reason=f"{names[each.site]}の予備を {each.wanted} 台から {each.kept} 台に減らしました："
            f"{why(each.moved_to, each.without)}のため",
        )
        for each in placed.lowered
    )


@dataclass(frozen=True)
class Keeping:
    """A plan to keep, with moves and hosts to do without. Checked against the estate that is planned."""

    folder: PlanFolder
    moves: Mapping[str, str]
    without: frozenset[str]

    @classmethod
    def of(
        cls, estate: ResolvedEstate, folder: PlanFolder, moves: Mapping[str, str], without: Sequence[str]
    ) -> Keeping:
        """Raises FolderError for the plan of another estate, WishError for wishes that nobody could follow."""
        if folder.layout.estate.name != estate.name:
            raise FolderError(
                f"{folder.path}: 別の構成の計画です（「{folder.layout.estate.name[:60]}」。"
                f"構成ファイルは「{estate.name[:60]}」）"
            )
        hosts = {host.id: host for host in estate.hosts}
        vms = {vm.id: vm for vm in estate.vms}
        for name in without:
            if name not in hosts and name not in {host.id for host in folder.layout.hosts}:
                raise WishError(f"--without-host {name[:80]}: そのようなホストはありません")
        for vm, host in moves.items():
            wish = f"--move {vm[:80]}={host[:80]}"
            if vm not in vms:
                raise WishError(f"{wish}: そのような仮想サーバはありません")
            if host not in hosts:
                raise WishError(f"{wish}: そのようなホストはありません")
            if host in without:
                raise WishError(f"{wish}: 移動先は --without-host で使わない指定のホストです")
            if hosts[host].site != vms[vm].site:
                raise WishError(f"{wish}: ホストの拠点 {hosts[host].site} が仮想サーバの拠点 {vms[vm].site} と違います")
            if hosts[host].spare:
                raise WishError(f"{wish}: 移動先は予備（spare）のホストです")
        return cls(folder, dict(moves), frozenset(without))

    @property
    def placement(self) -> KeptPlacement:
        """Hosts as the kept plan has them."""
        layout = self.folder.layout
        return KeptPlacement(
            host={vm.id: vm.host for vm in layout.vms},
            reserve=frozenset(host.id for host in layout.hosts if host.spare),
            moves=self.moves,
            without=self.without,
        )

    def starts(self, runs: RunTable) -> Floats:
        """Start of each run in the kept plan, in seconds since the epoch; NaN for runs that it does not have.

        A run is the same when tenant, system, job, date and number within the day are: that is its `run_id`.
        """
        table = self.folder.runs
        known = table.column("run_id").combine_chunks()
        row = pc.fill_null(pc.index_in(pa.array(runs.run_ids, pa.string()), value_set=known), -1)
        found = np.asarray(row.to_numpy(zero_copy_only=False), dtype=np.int64)
        origin = round(runs.epoch.timestamp() * 1_000_000)
        start_us = np.asarray(pc.cast(table.column("start"), pa.int64()).to_numpy(), dtype=np.int64)
        if not len(start_us):
            return np.full(len(runs), np.nan)
        return np.where(found >= 0, (start_us[found] - origin) / 1e6, np.nan)

    def level(
        self, estate: ResolvedEstate, runs: RunTable, online: OnlineTable, level: Callable[[Floats], Schedule]
    ) -> Schedule:
        """The schedule that `level(kept starts)` gives, without runs that overload the host on which their VM stands.

        Such runs are asked for once: they are levelled anew around all others, and what is still too much then moves
        with its VM.
        """
        kept = self.starts(runs)
        planned = level(kept)
        rows = {host.id: row for row, host in enumerate(estate.hosts)}
        at = {vm: rows[host] for vm, host in {**self.placement.host, **self.moves}.items() if host in rows}
        host = np.array([at.get(vm, -1) for vm in runs.vm_names], dtype=np.int64)
        cores = np.array([float(host.cores) for host in estate.hosts])
        heavy = overloaded_runs(runs, planned.start_s, online, host, cores) & np.isfinite(kept)
        if not heavy.any():
            return planned
        again = level(np.where(heavy, np.nan, kept))
        gone = np.flatnonzero(heavy & (again.start_s != kept)).tolist()
        displaced = (*again.displaced, *(Displaced(run, float(kept[run]), CAPACITY) for run in gone))
        return replace(again, displaced=tuple(sorted(displaced, key=lambda run: run.run)))

    def require_wishes(self, placed: Placement) -> None:
        """Raises WishError (exit code 3) where a VM is not where it is to be moved."""
        host = dict(zip(placed.vm_names, placed.host.tolist(), strict=True))
        for vm, wanted in self.moves.items():
            if host[vm] < 0 or placed.host_names[host[vm]] != wanted:
                raise WishError(f"--move {vm}={wanted}: ホスト {wanted} に置けません", exit_code=3)

    def succeed(self, estate: ResolvedEstate, layout: Layout, placed: Placement, now: datetime) -> Layout:
        """The layout as the next generation of the one that is kept."""
        before = self.folder.layout
        return layout.model_copy(
            update={
                "generation": before.generation + 1,
                "lineage": (*before.lineage, self.folder.layout_digest),
                "moves": self._moves(estate, placed, now),
                "host_sets": tuple(self._usable(hosts) for hosts in layout.host_sets),
            }
        )

    def _usable(self, hosts: HostSet) -> HostSet:
        """A host set without the hosts to do without: no VM may be restarted there either."""
        left = tuple(host for host in hosts.hosts if host not in self.without)
        return hosts.model_copy(update={"hosts": left})

    def _moves(self, estate: ResolvedEstate, placed: Placement, now: datetime) -> tuple[MoveRecord, ...]:
        """Moves of the kept plan as far as they still lead somewhere, then those of this plan, at the time of planning.

        A chain of moves loses what lies before a host that is not there any more.
        """
        sites = {host.id: host.site for host in estate.hosts}
        host = {
            vm: placed.host_names[row]
            for vm, row in zip(placed.vm_names, placed.host.tolist(), strict=True)
            if row >= 0
        }
        old: dict[str, list[MoveRecord]] = {}
        for move in sorted(self.folder.layout.moves, key=lambda move: move.at):
            if move.vm not in host:
                continue
            chain = old.setdefault(move.vm, [])
            if move.to_host not in sites:
                chain.clear()
            elif move.from_host in sites:
                chain.append(move)
        for relocated in placed.relocated:
            chain = old.setdefault(relocated.vm, [])
            if sites.get(relocated.from_host) == sites[relocated.to_host]:
                at = max([now, *(move.at + timedelta(seconds=1) for move in chain[-1:])])
                chain.append(
                    MoveRecord(vm=relocated.vm, at=at, from_host=relocated.from_host, to_host=relocated.to_host)
                )
            else:
                chain.clear()
        return tuple(move for vm in placed.vm_names for move in old.get(vm, []))
