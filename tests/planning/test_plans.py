"""Whole plans: layouts that hold the estate, tight estates that say why, damages that checkers refuse, odd estates."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

import estate
import planning
from layout import checkers, folder
from tests.layout import damage
from tests.planning.random_estate import MADE_UP
from tests.planning.random_estate import estate as random_estate


def write(path: Path, seed: int, change=lambda document, catalogue: None) -> Path:
    document, catalogue = random_estate(seed)
    change(document, catalogue)
    (path / "estate.yaml").write_text(json.dumps(document), encoding="utf-8")
    (path / "catalogue.yaml").write_text(json.dumps(catalogue), encoding="utf-8")
    return path / "estate.yaml"


def refused(plan):
    return {verdict.checker for verdict in checkers.check(plan) if not verdict.passed}


def jobs(catalogue):
    return [job for system in catalogue["systems"].values() for job in system["jobs"].values()]


@pytest.fixture
def planned(tmp_path):
    def plan(change=lambda document, catalogue: None, seed=3):
        planning.plan(estate.load(write(tmp_path, seed, change)), tmp_path / "out")
        return folder.read(tmp_path / "out")

    return plan


def test_the_layout_holds_the_estate(planned):
    plan = planned()
    layout = plan.layout
    assert [vm.id for vm in layout.vms] == [vm.id for vm in plan.estate.vms]
    assert [host.id for host in layout.hosts] == [host.id for host in plan.estate.hosts]
    sites = {host.id: host.site for host in layout.hosts}
    networks = {network.id: network for network in layout.networks}
    sets = {hosts.id: hosts.hosts for hosts in layout.host_sets}
    for vm in layout.vms:
        assert sites[vm.host] == vm.site == networks[vm.network].site
        assert (networks[vm.network].tenant, networks[vm.network].segment) == (vm.tenant, vm.segment)
        assert vm.host in sets[vm.may_run_on]
        assert not vm.pinned
        assert [disk.protect for disk in vm.disks] == [disk.base_image is None for disk in vm.disks]
    assert {host.site for host in layout.hosts if host.spare} >= {vm.site for vm in layout.vms}
    assert {image.id for image in layout.images} == {vm.image for vm in layout.vms}


def test_run_json_states_the_gap_to_the_bound(planned):
    plan = planned()
    document = json.loads((plan.path / "run.json").read_text(encoding="utf-8"))
    gaps = {bound.site: bound.gap for bound in plan.layout.bounds if bound.resource == "cpu_peak_cores"}
    assert {peak["site"]: peak["gap"] for peak in document["peaks"]} == pytest.approx(gaps)
    assert gaps


def keys(value):
    if isinstance(value, dict):
        return set(value) | set().union(*map(keys, value.values()))
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


def test_the_files_of_the_folder_write_from_and_until(planned):
    plan = planned()
    for name in ("estate.json", "layout.json", "run.json"):
        found = keys(json.loads((plan.path / name).read_text(encoding="utf-8")))
        assert not [key for key in found if key.endswith("_")], name
    tenant = json.loads((plan.path / "estate.json").read_text(encoding="utf-8"))["tenants"][0]
    assert {"from", "until"} <= set(tenant)


def test_pinned_vms_may_run_on_their_own_host_only(planned):
    layout = planned(lambda document, _: document["policy"].update(may_run_on="host")).layout
    sets = {hosts.id: hosts.hosts for hosts in layout.host_sets}
    assert all(vm.pinned and sets[vm.may_run_on] == (vm.host,) for vm in layout.vms)


def test_too_few_hosts_do_not_fit_and_every_vm_without_a_place_says_why(planned):
    def change(document, catalogue):
        for system in catalogue["systems"].values():
            system["roles"]["ap"]["size"]["memory_gib"] = {"small": 24.0, "large": 24.0}
        by_site = {host["site"]: host for host in document["hosts"]}
        document["hosts"] = [{**host, "id": f"{site}{{1..2}}", "memory_gib": 25.0} for site, host in by_site.items()]

    plan = planned(change)
    placed = {vm.id for vm in plan.layout.vms}
    homeless = [vm.id for vm in plan.estate.vms if vm.id not in placed]
    assert not plan.run.fits
    assert len(plan.run.misfits) == len(homeless) > 0
    for vm, misfit in zip(homeless, plan.run.misfits, strict=True):
        assert misfit.kind == "memory"
        assert vm in misfit.reason
        assert "24 GiB" in misfit.reason
    assert plan.run.verdict.startswith(f"判定：不適合 — {plan.run.misfits[0].reason}")
    assert not next(check for check in plan.run.checks if check.checker == "completeness").passed


def test_runs_that_find_no_window_name_tenant_job_time_and_minutes(planned):
    def change(_, catalogue):
        for job in jobs(catalogue):
            job["exclusive"] = True
            job["work"] |= {"fixed_s": 4.5 * 3600, "cpu_s_per_unit": 0.0}

    plan = planned(change)
    assert not plan.run.fits
    assert {misfit.kind for misfit in plan.run.misfits} <= {"window", "deadline"}
    names = {tenant.name for tenant in plan.estate.tenants}
    for misfit in plan.run.misfits:
        assert misfit.tenant in names
        assert (misfit.system, misfit.job) in {(job.system, job.job) for job in plan.estate.jobs}
        assert plan.estate.start <= misfit.at <= plan.estate.end + timedelta(days=1)
        assert misfit.minutes > 0


@pytest.mark.parametrize("seed", [3, 5, 8])
def test_damages_to_plans_of_random_estates_are_refused(planned, seed):
    plan = planned(seed=seed)
    assert plan.run.fits
    told = 0
    for case in damage.damages(plan, seed, 34):
        verdict = refused(case.folder)
        if case.refused_by:
            told += 1
            assert case.refused_by in verdict, case.name
        if case.harmless:
            assert verdict == set(), case.name
    assert told > 15


def every(**changes):
    def change(_, catalogue):
        for job in jobs(catalogue):
            job.update(changes)

    return change


def work(**values):
    def change(_, catalogue):
        for job in jobs(catalogue):
            job["work"] |= values

    return change


def rule(text):
    return every(when={**MADE_UP, "rrule": text})


def night(span):
    return lambda _, catalogue: catalogue["windows"]["night"].update(business_day=span, closed_day=span)


def role(**values):
    def change(_, catalogue):
        for system in catalogue["systems"].values():
            system["roles"]["ap"] |= values

    return change


def nothing_to_do(_, catalogue):
    for system in catalogue["systems"].values():
        system["jobs"] = {}
        del system["roles"]["ap"]["online"]


def leaves_after_a_night(document, _):
    document["tenants"][0] |= {"from": "2027-06-10", "until": "2027-06-11"}


def site_without_hosts(document, _):
    document["sites"].append({"id": "empty", "role": "backup", "latitude": 43.0, "longitude": 141.0})


def one_host(document, _):
    document["sites"] = document["sites"][:1]
    document["hosts"] = [{**document["hosts"][0], "id": "only", "memory_gib": 4096.0}]
    document["policy"]["spare_hosts"] = 0
    for tenant in document["tenants"]:
        tenant["site"] = document["sites"][0]["id"]


def chain(length):
    def change(document, catalogue):
        name = min(catalogue["systems"])
        nightly = catalogue["systems"][name]["jobs"]["nightly"]
        nightly["work"] |= {"fixed_s": 10.0, "cpu_s_per_unit": 0.0}
        for system in catalogue["systems"].values():
            system["jobs"] = {}
        catalogue["systems"][name]["jobs"] = {
            f"j{n}": {**nightly, "after": [{"job": f"j{n - 1}"}] if n else []} for n in range(length)
        }
        for tenant in document["tenants"]:
            tenant["systems"] = {"only": [name]}

    return change


ODD = {
    "one resident": lambda document, _: [tenant.update(population=1) for tenant in document["tenants"]],
    "one day": lambda document, _: document.update(horizon={"from": "2027-06-01", "until": "2027-06-02"}),
    "two years": lambda document, _: document.update(horizon={"from": "2027-04-01", "until": "2029-03-31"}),
    "one host": one_host,
    "200 hosts": lambda document, _: document["hosts"][0].update(id="h{001..200}"),
    "a site without hosts": site_without_hosts,
    "joins and leaves": leaves_after_a_night,
    "from the first to the last date": lambda document, _: document["tenants"][0].update(
        {"from": "0001-01-01", "until": "9999-12-31"}
    ),
    "nobody there": lambda document, _: [tenant.update({"from": "2030-01-01"}) for tenant in document["tenants"]],
    "count": rule("FREQ=DAILY;COUNT=9999"),
    "until": rule("FREQ=DAILY;UNTIL=20270605"),
    "last weekday of the month": rule("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"),
    "fifth Monday": rule("FREQ=MONTHLY;BYDAY=5MO"),
    "every thousandth day": rule("FREQ=DAILY;INTERVAL=1000"),
    "week 23": rule("FREQ=YEARLY;BYWEEKNO=23;BYDAY=MO"),
    "the whole day": night("00:00-24:00"),
    "zero length is a day": night("08:00-08:00"),
    "odd minutes": night("20:03-05:57"),
    "no work": work(fixed_s=0.0, cpu_s_per_unit=0.0),
    "next to no work": work(fixed_s=1e-9, cpu_s_per_unit=1e-12),
    "a thousandth of a core": work(max_cores=0.001, cpu_s_per_unit=1e-6),
    "more cores than any VM": work(max_cores=1e12),
    "a thousand slots": role(slots=1000),
    "60 nights": every(nights=60),
    "all exclusive": every(exclusive=True),
    "nothing to do": nothing_to_do,
    "a chain of 30": chain(30),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_estate_is_planned_and_accepted(planned, name):
    plan = planned(ODD[name])
    assert plan.run.fits, plan.run.verdict
    assert refused(plan) == set()


def test_a_chain_that_is_longer_than_the_night_says_so(planned):
    plan = planned(chain(500))
    assert not plan.run.fits
    assert {misfit.kind for misfit in plan.run.misfits} == {"window"}
    assert "超過" in plan.run.verdict


def test_a_thousand_tenants_are_planned(planned):
    def change(document, _):
        check_digits = estate.local_government_code.check_digit
        town = {**document["tenants"][0], "site": "east", "population": 5_000}
        codes = [f"{number:05d}" for number in range(1_000, 2_000)]
        document["tenants"] = [
            {**town, "id": f"t{code}", "name": f"町{code}", "code": code + check_digits(code)} for code in codes
        ]
        document["hosts"][0] |= {"id": "h{001..200}", "site": "east"}
        document["horizon"] = {"from": "2027-06-01", "until": "2027-06-08"}

    plan = planned(change)
    assert plan.run.fits
    assert len(plan.layout.networks) == 1_000
    assert refused(plan) == set()


def broken(path, **values):
    def change(document, catalogue):
        target = document if path == "estate" else jobs(catalogue)[0]
        target |= values

    return change


def same_vm_names(document, catalogue):
    catalogue["systems"]["0"] = catalogue["systems"]["system-0"]
    for tenant, (name, system) in zip(document["tenants"], {"a": "system-0", "a-system": "0"}.items(), strict=False):
        tenant.update(id=name, systems={"only": [system]})


REFUSED = {
    "two VMs of one name": (same_vm_names, "「a-system-0-ap-01」がほかの団体"),
    "no tenants": (broken("estate", tenants=[]), "tenants: 団体が一つもありません"),
    "escape sequence": (broken("estate", name="\x1b[31m赤"), "制御文字"),
    "line break": (broken("estate", name="a\nb"), "改行"),
    "direction mark": (broken("estate", name="\u202eabc"), "方向の印"),
    "NUL": (broken("estate", name="a\0b"), "制御文字"),
    "endless": (broken("estate", horizon={"from": "2027-06-01", "until": "9999-12-31"}), "2 年以内"),
    "every minute": (rule("FREQ=MINUTELY"), "MINUTELY"),
    "every second": (rule("FREQ=SECONDLY"), "SECONDLY"),
    "until a time": (rule("FREQ=DAILY;UNTIL=20270605T000000Z"), "時刻なし"),
    "99th Monday": (rule("FREQ=MONTHLY;BYDAY=99MO"), "月の 99 番目"),
    "far offset": (every(when={**MADE_UP, "rrule": "FREQ=DAILY", "offset": "-9999 business_days"}), "3 桁まで"),
    "end of time": (every(when={**MADE_UP, "date": "9999-12-31", "offset": "+999 days"}), "1989 から 2300"),
    "long lag": (every(after=[{"job": "nightly", "lag_h": 1e15}]), "9,600 以下"),
    "no memory": (role(size={**MADE_UP, "vcpu": {"small": 1, "large": 1}, "memory_gib": {"small": 1e-6, "large": 1e-6},
                             "disk_gib": {"small": 1.0, "large": 1.0}}), "0.001 以上"),
    "before recurrences begin": (broken("estate", fiscal_year=1989), "fiscal_year"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_planned_is_refused_by_the_check(tmp_path, name):
    change, words = REFUSED[name]
    with pytest.raises(estate.EstateErrors) as caught:
        estate.load(write(tmp_path, 3, change))
    assert caught.value.exit_code == 2
    assert any(words in str(problem) for problem in caught.value.problems)
    assert all(str(problem).isprintable() for problem in caught.value.problems)
