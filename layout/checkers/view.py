"""A plan folder as arrays, the common ground of the checkers. Nothing is judged here.

Times are int64 microseconds since the horizon's start. Names that are not defined have index -1; the checker
`completeness` reports them and the others leave such rows out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from layout.folder import PlanFolder

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

SECOND = 1_000_000
MINUTE = 60 * SECOND
DAY = 86_400 * SECOND
SLOT_S = 600.0
JST = timezone(timedelta(hours=9), "JST")
FAR = 800 * DAY
"""Times further than this outside the horizon are cut, so that damaged tables cannot overflow sums."""


@dataclass(frozen=True, eq=False)
class View:
    """Arrays of one folder; one row per run unless said otherwise."""

    folder: PlanFolder
    vm: Ints
    """Index into `folder.layout.vms`; VMs without a host are not there."""
    estate_vm: Ints
    """Index into `folder.estate.vms`."""
    job: Ints
    """Index into `folder.estate.jobs`."""
    release: Ints
    earliest: Ints
    start: Ints
    end: Ints
    deadline: Ints
    window_start: Ints
    window_end: Ints
    out_of_range: Bools
    """A time of the row was cut because it lies far outside the horizon."""
    fixed_s: Floats
    cpu_s: Floats
    max_cores: Floats
    exclusive: Bools
    rerun_room: Bools

    def __len__(self) -> int:
        return len(self.start)

    @cached_property
    def vm_index(self) -> dict[str, int]:
        """Index into `folder.layout.vms` by id."""
        return {vm.id: index for index, vm in enumerate(self.folder.layout.vms)}

    @cached_property
    def host_index(self) -> dict[str, int]:
        """Index into `folder.layout.hosts` by id."""
        return {host.id: index for index, host in enumerate(self.folder.layout.hosts)}

    @cached_property
    def vm_host(self) -> Ints:
        """Per VM: index into `folder.layout.hosts`, -1 where it is unplaced."""
        return np.array([self.host_index.get(vm.host, -1) for vm in self.folder.layout.vms], dtype=np.int64)

    @cached_property
    def horizon_us(self) -> int:
        """Length of the horizon."""
        return (self.folder.estate.end - self.folder.estate.start) // timedelta(microseconds=1)

    @cached_property
    def slots(self) -> int:
        """600 s slots from the horizon's start to its end, or to the last run's end where that is later."""
        last = max([self.horizon_us, *(int(values.max()) for values in (self.end,) if len(values))])
        return -(-last // (600 * SECOND))

    @cached_property
    def load_begin_s(self) -> Floats:
        """When the run begins to take CPU, in seconds."""
        return self.start / SECOND + self.fixed_s

    @cached_property
    def cpu_length_s(self) -> Floats:
        """How long the run takes CPU, in seconds."""
        return self.cpu_s / np.where(self.max_cores > 0, self.max_cores, 1.0)

    @cached_property
    def online(self) -> tuple[Ints, Ints, Ints, Floats]:
        """Online load, one row per interval: VM index, from, until, cores."""
        table = self.folder.online
        vm = _index(table.column("vm"), [vm.id for vm in self.folder.layout.vms])
        begin, end = (_times(table.column(name), self.folder.estate.start)[0] for name in ("from", "until"))
        return vm, begin, end, _floats(table.column("cores"))

    @cached_property
    def online_estate_vm(self) -> Ints:
        """Per row of `online`: index into `folder.estate.vms`."""
        return _index(self.folder.online.column("vm"), [vm.id for vm in self.folder.estate.vms])

    @cached_property
    def after(self) -> tuple[Ints, Ints, Floats, Floats]:
        """Precedence, one row per pair: run, its predecessor (-1: no such run), lag in s, business hours."""
        column = self.folder.runs.column("after").combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], type=column.type)
        lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False).astype(np.int64)
        pairs = pc.list_flatten(column)
        names = self.folder.runs.column("run_id").combine_chunks()
        before = _index(pc.struct_field(pairs, "run"), names)
        run = np.repeat(np.arange(len(self), dtype=np.int64), lengths)
        return run, before, _floats(pc.struct_field(pairs, "lag_s")), _floats(pc.struct_field(pairs, "lag_business_h"))

    @cached_property
    def runs_of_job(self) -> dict[int, Ints]:
        """Rows of each job's runs by release."""
        if not len(self):
            return {}
        order = np.lexsort((self.release, self.job))
        jobs, begins = np.unique(self.job[order], return_index=True)
        return {int(job): rows for job, rows in zip(jobs, np.split(order, begins[1:]), strict=True) if job >= 0}

    def run_id(self, row: int) -> str:
        """Name of a run, for messages."""
        return str(self.folder.runs.column("run_id")[row].as_py())

    def moment(self, microseconds: float) -> str:
        """A time of the folder, for messages."""
        moment = self.folder.estate.start.astimezone(JST) + timedelta(microseconds=int(microseconds))
        text = moment.strftime("%Y-%m-%d %H:%M:%S")
        return text.removesuffix(":00") if moment.second == 0 else text


def look(folder: PlanFolder) -> View:
    """The arrays of a folder."""
    runs, zero = folder.runs, folder.estate.start
    times = {}
    cut = np.zeros(runs.num_rows, dtype=np.bool_)
    for name in ("release", "earliest_start", "start", "end", "deadline", "window_start", "window_end"):
        times[name], outside = _times(runs.column(name), zero, folder.estate.end)
        cut |= outside
    names = pc.binary_join_element_wise(runs.column("tenant"), runs.column("system"), runs.column("job"), "/")
    return View(
        folder=folder,
        vm=_index(runs.column("vm"), [vm.id for vm in folder.layout.vms]),
        estate_vm=_index(runs.column("vm"), [vm.id for vm in folder.estate.vms]),
        job=_index(names, [f"{job.tenant}/{job.system}/{job.job}" for job in folder.estate.jobs]),
        release=times["release"],
        earliest=times["earliest_start"],
        start=times["start"],
        end=times["end"],
        deadline=times["deadline"],
        window_start=times["window_start"],
        window_end=times["window_end"],
        out_of_range=cut,
        fixed_s=_floats(runs.column("fixed_s")),
        cpu_s=_floats(runs.column("cpu_s")),
        max_cores=_floats(runs.column("max_cores")),
        exclusive=_bools(runs.column("exclusive")),
        rerun_room=_bools(runs.column("rerun_room")),
    )


def microseconds(moment: datetime, zero: datetime) -> int:
    """Microseconds from `zero` to `moment`."""
    return (moment - zero) // timedelta(microseconds=1)


def _times(column: pa.ChunkedArray, zero: datetime, end: datetime | None = None) -> tuple[Ints, Bools]:
    """Microseconds since `zero`, cut to the neighbourhood of the horizon, and where they were cut."""
    origin = microseconds(zero, datetime(1970, 1, 1, tzinfo=UTC))
    length = microseconds(end, zero) if end else 2 * FAR
    raw = pc.cast(column, pa.int64()).to_numpy().astype(np.int64)
    values = np.clip(raw, origin - FAR, origin + length + FAR)
    return values - origin, values != raw


def _index(values: pa.ChunkedArray | pa.Array, names: Iterable[str] | pa.ChunkedArray | pa.Array) -> Ints:
    lookup = names if isinstance(names, pa.ChunkedArray | pa.Array) else pa.array(list(names), type=pa.string())
    if isinstance(lookup, pa.ChunkedArray):
        lookup = pa.concat_arrays(lookup.chunks) if lookup.num_chunks else pa.array([], type=pa.string())
    found = pc.fill_null(pc.index_in(values, value_set=lookup), -1)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)


def _floats(column: pa.ChunkedArray | pa.Array) -> Floats:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def _bools(column: pa.ChunkedArray) -> Bools:
    return np.asarray(column.to_numpy(), dtype=np.bool_)
