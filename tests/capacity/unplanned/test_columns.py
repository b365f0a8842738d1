"""The runs made from templates are those of `capacity.runs.generate`, and a system that makes sense."""

from pathlib import Path

import numpy as np
import pytest

import estate
from capacity.runs import generate
from capacity.simulation import validity
from capacity.unplanned.columns import group_runs, members
from capacity.unplanned.groups import group_system, site_groups
from capacity.unplanned.templates import templates

from .towns import TOWNS, document, written

PILOT = Path(__file__).parents[3] / "examples" / "pilot" / "estate.yaml"
SHARED = [
    {"system": "certificate-server", "tenants": ["kita", "oki"]},
    {"system": "offsite-copy", "tenants": "all", "site": "south"},
]
LATER = document()["tenants"]
LATER[1]["from"] = "2027-05-06"
LATER[3]["overrides"] = {
    "resident-tax": {"vcpu_busy": [{"from": "2027-05-01", "until": "2027-05-08", "role": "db", "vcpu": 16}]}
}


@pytest.fixture(params=["pilot", "towns", "shared", "joining"])
def path(request, tmp_path):
    """Estate files with and without kinds of several tenants, shared systems, dates of their own."""
    match request.param:
        case "pilot":
            return PILOT
        case "towns":
            return written(tmp_path)
        case "shared":
            return written(tmp_path, shared=SHARED)
        case _:
            return written(tmp_path, tenants=LATER)


def test_columns_hold_exactly_the_runs_of_the_resolved_estate(path):
    table = generate(estate.load(path))
    known = templates(estate.survey(path))
    assert known.runs() == len(table)
    everyone = members(known, range(len(known.survey.tenants)), common=True)
    found = group_runs(known, everyone, exclusive_order=False).columns
    assert list(found.ids) == list(table.run_ids)
    np.testing.assert_array_equal(found.vm, table.vm)
    for name in ("release_s", "cpu_s", "fixed_s", "max_cores"):
        np.testing.assert_array_equal(getattr(found, name), getattr(table, name), err_msg=name)
    np.testing.assert_array_equal(found.after_ptr, table.after_ptr)
    lag_s = table.after_lag_s + 3600 * table.after_lag_business_h
    owner = np.repeat(np.arange(len(table)), np.diff(table.after_ptr))
    assert sorted(zip(owner.tolist(), found.after.tolist(), found.lag_s.tolist(), strict=True)) == sorted(
        zip(owner.tolist(), table.after_run.tolist(), lag_s.tolist(), strict=True)
    )


def test_groups_hold_every_run_once_and_are_valid_systems(path):
    known = templates(estate.survey(path))
    deadline = dict(zip((table := generate(estate.load(path))).run_ids, table.deadline_s.tolist(), strict=True))
    seen: dict[str, float] = {}
    for group in site_groups(known):
        made = group_system(known, group)
        assert group.runs == len(made.system.runs)
        validity.check(made.system)
        seen |= zip(made.system.runs.ids, made.deadline_s.tolist(), strict=True)
    assert seen == deadline


def test_sites_stand_alone_unless_shared_systems_join_them(tmp_path):
    alone = {group.sites for group in site_groups(templates(estate.survey(written(tmp_path))))}
    assert alone == {("north",), ("south",)}
    joined = {group.sites for group in site_groups(templates(estate.survey(written(tmp_path, shared=SHARED))))}
    assert joined == {("north", "south")}


def test_equal_tenants_share_a_template_that_knows_no_population(tmp_path):
    known = templates(estate.survey(written(tmp_path)))
    kinds = sorted(sorted(tenant.id for tenant in kind.tenants) for kind in known.survey.kinds)
    assert kinds == [["kita", "minami", "naka"], ["oki"]]
    assert {kind.representative for kind in known.survey.kinds} == {"naka", "oki"}
    resolved = estate.load(tmp_path / "estate.yaml")
    for number, (name, _, population, _) in enumerate(TOWNS):
        template = known.template_of(number)
        work = {(job.system, job.job): job.cpu_s for job in resolved.jobs if job.tenant == name}
        cpu_s = template.cpu_s(population)
        for row in range(len(template)):
            job = template.jobs[int(template.job[row])]
            assert cpu_s[row] == work[job.system, job.job]


def test_exclusive_runs_wait_for_the_others_of_their_system_and_never_in_a_circle():
    known = templates(estate.survey(PILOT))
    table = generate(estate.load(PILOT))
    everyone = members(known, range(len(known.survey.tenants)), common=True)
    found = group_runs(known, everyone).columns
    assert validity.runs_in_circles(found) == []
    added = np.diff(found.after_ptr) - np.diff(table.after_ptr)
    owner = np.repeat(np.arange(len(table)), np.diff(found.after_ptr))
    plain = set(
        zip(np.repeat(np.arange(len(table)), np.diff(table.after_ptr)).tolist(), table.after_run.tolist(), strict=True)
    )
    new = [pair for pair in zip(owner.tolist(), found.after.tolist(), strict=True) if pair not in plain]
    assert 0 < len(new) <= int(added.sum())
    for run, before in new:
        assert table.system[run] == table.system[before]
        assert table.exclusive[run] or table.exclusive[before]
        assert table.vm_slots[table.vm[run]] > 1
