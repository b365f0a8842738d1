"""Judging one tenant of each kind says the same as judging every tenant, mistake by mistake."""

import json

import pytest

import estate
from estate import loader
from estate.kinds import surely_fits
from tests.capacity.unplanned import towns


def judged_whole(path, monkeypatch):
    """The outcome when every tenant is looked at."""
    with monkeypatch.context() as patched:
        patched.setattr(loader, "_fits", lambda case, survey: False)
        return estate.check(path)


def smaller_site(document):
    document["hosts"][1]["memory_gib"] = 4


def reserve_of_one_site(document):
    document["hosts"][1]["id"] = "south"


def long_name(document):
    document["tenants"][1]["id"] = "a-town-with-the-longest-name-there-is-ok"


def colliding_names(document):
    document["tenants"][1]["id"] = "kita-resident"
    document["tenants"][1]["systems"] = {"only": ["resident-registry"]}


def large_job(document):
    document["tenants"][2]["population"] = 90_000_000


def no_base_date(document):
    document["tenants"][0]["overrides"] = {"tax-collection": {"jobs": {"resident-levy": {"enabled": False}}}}


@pytest.mark.parametrize(
    "change", [smaller_site, reserve_of_one_site, long_name, colliding_names, large_job, no_base_date, lambda _: None]
)
def test_mistakes_are_the_same_as_when_every_tenant_is_judged(tmp_path, monkeypatch, change):
    document = towns.document()
    change(document)
    path = tmp_path / "estate.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    quick, whole = estate.check(path), judged_whole(path, monkeypatch)
    assert quick.problems == whole.problems
    assert quick.warnings == whole.warnings
    assert quick.estate == whole.estate
    assert bool(quick.problems) == (change.__name__ not in {"<lambda>", "no_base_date", "colliding_names"})


def test_tenants_of_one_kind_differ_in_name_site_and_population_only(tmp_path):
    survey = towns.survey(tmp_path)
    assert {kind.representative: [tenant.id for tenant in kind.tenants] for kind in survey.kinds} == {
        "naka": ["kita", "naka", "minami"],
        "oki": ["oki"],
    }
    assert surely_fits(survey, estate.check(tmp_path / "estate.yaml").sound.file)
    whole = estate.load(tmp_path / "estate.yaml")
    chosen = {kind.representative for kind in survey.kinds}
    assert survey.estate.jobs == tuple(job for job in whole.jobs if job.tenant in chosen)
    assert survey.estate.vms == tuple(vm for vm in whole.vms if vm.tenant in chosen)
    assert survey.estate.hosts == whole.hosts
    populations = {tenant.id: tenant.population for tenant in whole.tenants}
    assert [job.cpu_s for job in survey.estate.jobs] == [
        rate.cpu_s_per_unit * (populations[job.tenant] * rate.units_per_resident)
        for job, rate in zip(survey.estate.jobs, survey.rates, strict=True)
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"systems": {"only": ["resident-registry"]}},
        {"systems": {"except": ["e-approval"]}},
        {"from": "2027-05-01"},
        {"until": "2027-05-01"},
        {"population": 60_000},
        {"overrides": {"resident-tax": {"window": "night"}}},
    ],
)
def test_what_changes_jobs_or_vms_makes_another_kind(tmp_path, change):
    document = towns.document()
    document["tenants"][0] |= change
    path = tmp_path / "estate.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    kinds = [[tenant.id for tenant in kind.tenants] for kind in estate.survey(path).kinds]
    assert ["kita"] in kinds
    assert ["naka", "minami"] in kinds


def test_shared_systems_and_measurements_make_other_kinds(tmp_path):
    shared = [{"system": "certificate-server", "tenants": ["kita"]}]
    measured = [
        {
            "tenant": "minami",
            "system": "resident-tax",
            "job": "nightly",
            "fixed_s": 1,
            "cpu_s_per_unit": 0.1,
            "source": "x",
        }
    ]
    survey = towns.survey(tmp_path, shared=shared, measured=measured)
    assert sorted(kind.representative for kind in survey.kinds) == ["kita", "minami", "naka", "oki"]
    whole = estate.load(tmp_path / "estate.yaml")
    assert survey.estate.jobs == whole.jobs
    assert survey.estate.tenants == whole.tenants


def test_a_sound_estate_is_not_resolved_as_a_whole_until_it_is_asked_for(tmp_path, monkeypatch):
    def never(*_, **__):
        raise AssertionError

    path = towns.written(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(loader, "resolve", never)
        outcome = estate.check(path)
        assert (outcome.problems, len(outcome.survey.tenants)) == ((), 4)
        with pytest.raises(AssertionError):
            outcome.estate  # noqa: B018 - asking is what resolves
    assert len(estate.check(path).estate.tenants) == 4
