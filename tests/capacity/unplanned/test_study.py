"""A whole estate simulated: what is written is what the engine answers, nothing is kept of what was written."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from capacity.simulation import reference
from capacity.unplanned import memory, study, summary
from capacity.unplanned.figures import figures
from capacity.unplanned.groups import group_system, site_groups
from capacity.unplanned.templates import templates

from . import towns


def run(known, folder, **changes):
    settings = {"engine": "simpy", "workers": 1, "progress": lambda step, share: None} | changes
    return study.simulate(known, site_groups(known), folder, **settings)


def written(folder, site):
    """Run id -> (ready, start, end) in seconds since 1970, and late."""
    rows = pq.read_table(folder / f"{site}.parquet").to_pylist()
    jobs = [(row["tenant"], row["system"], row["job"]) for row in rows]
    order = {name: number for number, name in enumerate(dict.fromkeys(jobs))}
    keys = [(order[job], row["date"]) for job, row in zip(jobs, rows, strict=True)]
    assert keys == sorted(keys)
    return {
        f"{row['tenant']}/{row['system']}/{row['job']}/{row['date']}": (
            *(row[name].timestamp() for name in ("ready", "start", "end")),
            row["late"],
        )
        for row in rows
    }


def test_files_hold_what_the_engine_answers(tmp_path):
    known = templates(towns.survey(tmp_path))
    found = run(known, tmp_path)
    start = known.calendar.start.timestamp()
    runs = 0
    for group in site_groups(known):
        made = group_system(known, group)
        result = reference.simulate(made.system)
        (site,) = group.sites
        rows = written(tmp_path, site)
        runs += len(rows)
        assert len(rows) == len(made.system.runs)
        for row, name in enumerate(made.system.runs.ids):
            times = [result.ready_s[row], result.start_s[row], result.end_s[row]]
            assert rows[name][:3] == pytest.approx([start + at_s for at_s in times], abs=1e-6)
            assert rows[name][3] == (result.end_s[row] > made.deadline_s[row] + 1e-6)
    assert (found.runs, found.interrupted) == (runs, False)
    assert runs == known.runs()
    assert {site.site for site in found.sites} == {"north", "south"}


def test_runs_keep_windows_and_predecessors_and_exclusive_ones_are_alone(tmp_path):
    known = templates(towns.survey(tmp_path))
    for group in site_groups(known):
        made = group_system(known, group)
        result, runs = reference.simulate(made.system), made.system.runs
        assert (result.start_s >= runs.release_s - 1e-6).all()
        owner = np.repeat(np.arange(len(runs)), np.diff(runs.after_ptr))
        assert (result.start_s[owner] >= result.end_s[runs.after] + runs.lag_s - 1e-6).all()
        for row in range(len(runs)):
            opens = known.windows.open_s[slice(*known.windows.ptr[runs.calendar[row] : runs.calendar[row] + 2])]
            closes = known.windows.close_s[slice(*known.windows.ptr[runs.calendar[row] : runs.calendar[row] + 2])]
            assert ((opens - 1e-6 <= result.start_s[row]) & (result.start_s[row] < closes)).any()
        systems: dict[str, list[tuple[float, float, bool]]] = {}
        for member, rows in zip(made.runs.members, made.runs.rows, strict=True):
            for place, row in enumerate(rows.tolist()):
                job = member.template.jobs[int(member.template.job[place])]
                span = (float(result.start_s[row]), float(result.end_s[row]), job.exclusive)
                systems.setdefault(f"{member.id}/{job.system}", []).append(span)
        assert any(exclusive for spans in systems.values() for _, _, exclusive in spans)
        for spans in systems.values():
            for begin, end, _ in (span for span in spans if span[2]):
                beside = [other for other in spans if other[0] < end - 1e-6 and begin < other[1] - 1e-6]
                assert len(beside) == 1


def test_the_peak_is_that_of_the_served_cores(tmp_path):
    known = templates(towns.survey(tmp_path))
    end_s = known.calendar.end_s
    for group in site_groups(known):
        made = group_system(known, group)
        result = reference.simulate(made.system, record_served=True)
        served = result.served
        assert served is not None
        slots = np.zeros(int(end_s // 600) + 400)
        for from_s, until_s, cores in zip(served.from_s, served.until_s, served.cores, strict=True):
            for slot in range(int(from_s // 600), int(np.ceil(until_s / 600))):
                slots[slot] += cores * (min(until_s, slot * 600 + 600) - max(from_s, slot * 600)) / 600
        (found,) = figures(made, result, end_s)
        assert found.peak_cores == pytest.approx(slots[: int(end_s // 600)].max(), rel=1e-6)
        total = sum(share * host.cores for share, host in zip(found.utilisation.values(), made.hosts, strict=True))
        assert total * end_s == pytest.approx(result.host_core_s.sum(), rel=1e-9)


def test_late_runs_are_counted_per_job_and_the_latest_is_named(tmp_path):
    slow = towns.document()["tenants"]
    slow[3]["overrides"] = {
        "resident-registry": {"jobs": {"nightly": {"fixed_s": 20000}, "backup": {"fixed_s": 15000}}}
    }
    known = templates(towns.survey(tmp_path, tenants=slow, policy={"rerun_room": False}))
    found = run(known, tmp_path)
    late = sum(row[3] for site in ("north", "south") for row in written(tmp_path, site).values())
    document = summary.document(known, found, engine="simpy", workers=1)
    assert late > 0
    assert document["late_runs"] == late == sum(document["late_jobs"].values())
    assert document["latest"]["run"].startswith("oki/resident-registry/")
    assert document["verdict"].startswith(
        f"判定：計画なしでは {known.runs():,} 件のうち {late:,} 件が枠か期限に遅れます。最大 "
    )
    json.dumps(document)


def test_an_interrupt_keeps_finished_sites_and_nothing_half_written(tmp_path):
    known = templates(towns.survey(tmp_path, **towns.scattered()))

    def interrupt(step, share):
        if share > 0:
            raise KeyboardInterrupt

    found = run(known, tmp_path, progress=interrupt)
    assert found.interrupted
    names = {site.site for site in found.sites}
    assert 1 <= len(names) < 4
    assert {path.name for path in tmp_path.iterdir()} == {"estate.yaml", *(f"{name}.parquet" for name in names)}
    assert found.runs == sum(len(written(tmp_path, name)) for name in names)
    document = summary.document(known, found, engine="simpy", workers=1)
    assert document["verdict"].endswith("（中断：終わった拠点だけの結果）")


def test_a_site_that_cannot_be_written_leaves_no_file(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    known = templates(towns.survey(tmp_path))
    monkeypatch.setattr("capacity.unplanned.store._table", fail)
    with pytest.raises(OSError, match="No space left"):
        run(known, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["estate.yaml"]


def test_memory_follows_the_largest_group_and_not_the_estate(tmp_path):
    groups = site_groups(templates(towns.survey(tmp_path)))
    (first, *_) = groups
    many = (first,) * 100
    assert memory.needed(many, 1) == memory.needed((first,), 1)
    assert memory.needed(many, 2) == memory.BASE_BYTES + 2 * first.runs * memory.BYTES_PER_RUN
    assert memory.workers_within(many, memory.needed(many, 2), 2) == 2
    assert memory.workers_within(many, memory.needed(many, 2) - 1, 2) == 1
    assert memory.workers_within(many, memory.needed(many, 1) - 1, 2) == 0


def test_nothing_of_a_group_is_kept_when_the_next_begins(tmp_path, monkeypatch):
    import gc
    import weakref

    known = templates(towns.survey(tmp_path))
    alive = []
    made_before = study.group_system

    def made(*arguments):
        gc.collect()
        assert [reference for reference in alive if reference() is not None] == []
        found = made_before(*arguments)
        alive.append(weakref.ref(found))
        return found

    monkeypatch.setattr(study, "group_system", made)
    run(known, tmp_path)
    assert len(alive) == 2
