"""The standard catalogue: complete, sourced, and true to the calendar of the municipal year."""

from collections import Counter
from collections.abc import Iterator
from datetime import date

import pytest
from pydantic import BaseModel

from estate import recurrence
from estate.base_records import Sourced
from estate.catalogue_reader import STANDARD, read_catalogue
from estate.catalogue_records import Catalogue

GROUPS = {"住民情報": 8, "税": 7, "国保": 5, "福祉": 11, "財務会計": 5, "人事給与": 2, "文書管理": 2}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    document = read_catalogue(STANDARD)
    assert document.problems == []
    assert document.record is not None
    return document.record


def sourced(value: object, path: str = "") -> Iterator[tuple[str, Sourced]]:
    """Every record with a basis below `value`."""
    if isinstance(value, Sourced):
        yield path, value
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from sourced(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from sourced(item, f"{path}.{key}")
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from sourced(item, f"{path}[{index}]")


def test_forty_systems_of_the_pilot_in_their_groups(catalogue):
    own = [system for system in catalogue.systems.values() if not system.shared_only]
    assert Counter(system.group for system in own) == GROUPS
    assert {name for name, system in catalogue.systems.items() if system.shared_only} == {
        "certificate-server",
        "offsite-copy",
    }


def test_every_number_names_its_source_by_mark(catalogue):
    marks = {
        "law": ("[P]",),
        "standard": ("[P]", "[S]"),
        "published": ("[P]", "[S]", "[D]"),
        "assumed": ("[A]", "[U]", "guess"),
    }
    entries = list(sourced(catalogue))
    assert len(entries) > 700
    for path, record in entries:
        text = record.source
        if record.basis == "assumed":
            assert any(mark in text for mark in marks["assumed"]), path
        else:
            assert text.startswith(marks[record.basis]), path
            assert len(text) > len("[P] ") + 8, path
            assert "guess" not in text, path
            assert "[U]" not in text, path


def test_sizes_and_work_are_never_presented_as_facts(catalogue):
    for name, system in catalogue.systems.items():
        for role in system.roles.values():
            assert role.size.basis == "assumed", name
        for job in system.jobs.values():
            assert job.work.basis == "assumed", name


def test_every_system_closes_daily_and_monthly_switches_the_year_and_is_backed_up(catalogue):
    for name, system in catalogue.systems.items():
        if system.shared_only:
            continue
        kinds = {job: body.kind for job, body in system.jobs.items()}
        assert kinds["nightly"] == "nightly", name
        assert kinds["month-end"] == "month-end", name
        assert kinds["year-switch"] == "year-end", name
        assert kinds["backup"] == "backup", name
        backup = system.jobs["backup"]
        assert {after.job for after in backup.after} == {"nightly", "year-switch"}, name
        assert backup.when.rrule == "FREQ=DAILY", name
        assert system.jobs["nightly"].when.only == "business_day", name
        assert system.jobs["year-switch"].exclusive, name


def test_assessments_and_trials_hold_the_database_alone(catalogue):
    for name, system in catalogue.systems.items():
        for job_id, job in system.jobs.items():
            if job.kind in ("assessment", "trial"):
                assert job.exclusive, f"{name}/{job_id}"


def test_rerun_room_is_the_default_everywhere(catalogue):
    assert all(job.rerun_room for system in catalogue.systems.values() for job in system.jobs.values())


@pytest.mark.parametrize(
    ("event", "rrule", "shift"),
    [
        ("resident-tax-due", "FREQ=YEARLY;BYMONTH=6,8,10,1;BYMONTHDAY=-1", "next"),
        ("resident-tax-first-due", "FREQ=YEARLY;BYMONTH=6;BYMONTHDAY=-1", "next"),
        ("fixed-asset-due", "FREQ=YEARLY;BYMONTH=4,7,12,2;BYMONTHDAY=-1", "next"),
        ("fixed-asset-due-may", "FREQ=YEARLY;BYMONTH=5,7,12,2;BYMONTHDAY=-1", "next"),
        ("light-vehicle-due", "FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=31", "next"),
        ("special-remittance", "FREQ=MONTHLY;BYMONTHDAY=10", "next"),
        ("child-allowance-payment", "FREQ=YEARLY;BYMONTH=2,4,6,8,10,12;BYMONTHDAY=10", "previous"),
        ("child-rearing-payment", "FREQ=YEARLY;BYMONTH=1,3,5,7,9,11;BYMONTHDAY=11", "previous"),
        ("payday", "FREQ=MONTHLY;BYMONTHDAY=21", "previous"),
        ("public-assistance-payment", "FREQ=MONTHLY;BYMONTHDAY=5", "previous"),
    ],
)
def test_due_dates_move_on_and_payments_move_back(catalogue, event, rrule, shift):
    assert (catalogue.events[event].rrule, catalogue.events[event].shift) == (rrule, shift)


@pytest.mark.parametrize(
    ("system", "job", "rrule", "shift"),
    [
        ("resident-registry", "reference-extract", "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=1", "none"),
        ("electoral-roll", "registration", "FREQ=YEARLY;BYMONTH=3,6,9,12;BYMONTHDAY=1", "next"),
        ("resident-tax", "assessment", "FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=12", "next"),
        ("nhi-assessment", "provisional", "FREQ=YEARLY;BYMONTH=4,6,8;BYMONTHDAY=1", "next"),
        ("budget-execution", "accounts-closing", "FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=31", "previous"),
        ("resident-tax", "year-switch", "FREQ=YEARLY;BYMONTH=3;BYMONTHDAY=31", "none"),
        ("resident-tax", "month-end", "FREQ=MONTHLY;BYMONTHDAY=-1", "previous"),
        ("nhi-assessment", "main-collection", "FREQ=YEARLY;BYMONTH=10,12,2;BYMONTHDAY=1", "next"),
        ("late-elderly-medical", "main-collection", "FREQ=YEARLY;BYMONTH=10,12,2;BYMONTHDAY=1", "next"),
        ("long-term-care", "main-collection", "FREQ=YEARLY;BYMONTH=10,12,2;BYMONTHDAY=1", "next"),
        ("corporate-tax", "peak-returns", "FREQ=YEARLY;BYMONTH=6,12;BYMONTHDAY=6", "next"),
    ],
)
def test_dates_of_the_municipal_year(catalogue, system, job, rrule, shift):
    when = catalogue.systems[system].jobs[job].when
    assert (when.rrule, when.shift) == (rrule, shift)


@pytest.mark.parametrize("job", ["revaluation-land", "revaluation-houses"])
def test_every_record_is_revalued_before_the_prices_of_2027_and_every_third_year(catalogue, job):
    when = catalogue.systems["fixed-asset-tax"].jobs[job].when
    assert when.rrule is not None
    assert recurrence.days(when.rrule, date(2023, 4, 1))[:3] == (
        date(2024, 2, 25),
        date(2027, 2, 25),
        date(2030, 2, 25),
    )
    assert ("fixed-asset-tax", job) in predecessors(catalogue, "fixed-asset-tax", "price-decision")


def test_electors_are_registered_on_the_day_before_an_election_is_announced(catalogue):
    when = catalogue.systems["electoral-roll"].jobs["election-registration"].when
    assert (when.relative_to, when.offset, when.shift) == ("election-notice", "-1 days", "none")
    assert catalogue.events["election-notice"].day == date(2027, 4, 18)


def test_light_vehicles_are_taken_over_the_day_after_the_reference_date(catalogue):
    event = catalogue.events["light-vehicle-reference-date"]
    assert (event.rrule, event.shift) == ("FREQ=YEARLY;BYMONTH=4;BYMONTHDAY=1", "none")
    when = catalogue.systems["light-vehicle-tax"].jobs["vehicle-register"].when
    assert (when.relative_to, when.offset, when.shift) == ("light-vehicle-reference-date", "+1 days", "next")


@pytest.mark.parametrize(
    ("system", "job", "relative_to", "offset"),
    [
        ("resident-tax", "ordinary-notices", "resident-tax-first-due", "-10 days"),
        ("tax-collection", "resident-dunning", "resident-tax-due", "+20 days"),
        ("fixed-asset-tax", "notices", "fixed-asset-first-due", "-10 days"),
    ],
)
def test_latest_dates_move_back(catalogue, system, job, relative_to, offset):
    latest = catalogue.systems[system].jobs[job].latest
    assert latest is not None
    assert (latest.relative_to, latest.offset, latest.shift) == (relative_to, offset, "previous")


def test_special_notices_leave_by_the_end_of_may(catalogue):
    latest = catalogue.systems["resident-tax"].jobs["special-notices"].latest
    assert latest is not None
    assert latest.rrule == "FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=31"


def predecessors(catalogue: Catalogue, system: str, job: str) -> set[tuple[str, str]]:
    """Everything that comes before a job, directly or not, as (system, job)."""
    found: set[tuple[str, str]] = set()
    waiting = [(system, job)]
    while waiting:
        here = waiting.pop()
        for after in catalogue.systems[here[0]].jobs[here[1]].after:
            there = (after.system or here[0], after.job)
            if there not in found:
                found.add(there)
                waiting.append(there)
    return found


@pytest.mark.parametrize("system", ["nhi-assessment", "long-term-care", "late-elderly-medical"])
def test_resident_tax_comes_before_the_july_premiums(catalogue, system):
    before = predecessors(catalogue, system, "print")
    assert ("resident-tax", "assessment") in before
    assert {(system, "assessment"), (system, "notices")} <= before


@pytest.mark.parametrize(
    ("system", "job", "before"),
    [
        ("resident-tax", "assessment", {("resident-tax", "wage-intake"), ("resident-tax", "trial-assessment")}),
        ("resident-tax", "special-print", {("resident-tax", "special-notices"), ("resident-tax", "assessment")}),
        ("tax-collection", "resident-dunning", {("tax-collection", "resident-result"), ("resident-tax", "assessment")}),
        ("tax-collection", "fixed-result", {("tax-collection", "fixed-debit"), ("fixed-asset-tax", "price-decision")}),
        ("budget-execution", "payroll-posting", {("payroll", "payment-file"), ("payroll", "calculation")}),
        ("settlement-statistics", "survey", {("settlement", "draft"), ("budget-execution", "accounts-closing")}),
        ("electoral-roll", "registration", {("resident-registry", "nightly")}),
        ("arrears", "takeover", {("tax-collection", "resident-dunning")}),
        ("resident-tax", "name-merge", {("resident-registry", "reference-extract"), ("addressee", "nightly")}),
        ("fixed-asset-tax", "notices", {("resident-registry", "reference-extract"), ("addressee", "nightly")}),
        ("nhi-collection", "debit", {("nhi-assessment", "assessment"), ("resident-tax", "assessment")}),
        ("late-elderly-medical", "debit", {("late-elderly-medical", "assessment")}),
        ("long-term-care", "debit", {("long-term-care", "assessment")}),
        ("nhi-assessment", "main-collection", {("nhi-assessment", "pension-request"), ("resident-tax", "assessment")}),
        ("late-elderly-medical", "main-collection", {("late-elderly-medical", "pension-request")}),
        ("long-term-care", "main-collection", {("long-term-care", "pension-request")}),
        ("payroll", "calculation", {("personnel", "transfers")}),
    ],
)
def test_precedence_inside_and_between_systems(catalogue, system, job, before):
    assert before <= predecessors(catalogue, system, job)


def test_a_staff_check_lies_between_assessment_and_notices(catalogue):
    for system in ("resident-tax", "nhi-assessment", "long-term-care", "late-elderly-medical"):
        name = "special-notices" if system == "resident-tax" else "notices"
        lags = [after.lag_h for after in catalogue.systems[system].jobs[name].after if after.job == "assessment"]
        assert lags == [48], system


def test_trial_runs_are_weekly_from_march_to_the_final_assessment(catalogue):
    trial = catalogue.systems["resident-tax"].jobs["trial-assessment"]
    weeks = ",".join(str(week) for week in range(9, 19))
    assert trial.kind == "trial"
    assert trial.when.rrule == f"FREQ=YEARLY;BYWEEKNO={weeks};BYDAY=FR"


def test_certificates_leave_the_systems_behind_them_the_small_window(catalogue):
    window = catalogue.windows["certificate"]
    assert (window.business_day, window.closed_day) == ("23:00-06:30", "23:00-06:30")
    assert window.year_end == "18:30-06:30"
    behind = {name for name, system in catalogue.systems.items() if system.window == "certificate"}
    assert behind == {"resident-registry", "seal-registration", "resident-tax", "certificate-server"}


def test_online_load_adds_up_to_the_assumed_cores_per_staff(catalogue):
    own = [system for system in catalogue.systems.values() if not system.shared_only]
    total = sum(role.online.cores_per_1000_residents for s in own for role in s.roles.values() if role.online)
    staff_per_1000 = catalogue.units["staff"].per_resident * 1000
    assert total == pytest.approx(staff_per_1000 * 0.5 * 0.01, rel=0.001)


def test_the_offsite_copy_waits_for_the_backup_of_every_system(catalogue):
    after = catalogue.systems["offsite-copy"].jobs["receive"].after
    own = {name for name, system in catalogue.systems.items() if not system.shared_only}
    assert {entry.system for entry in after} == own
    assert {entry.job for entry in after} == {"backup"}


def test_what_residents_need_first_is_restored_first(catalogue):
    priority = {name: system.restore_priority for name, system in catalogue.systems.items()}
    assert [name for name, value in priority.items() if value == 1] == ["resident-registry"]
    for name in ("resident-tax", "fixed-asset-tax", "tax-collection", "nhi-eligibility"):
        assert priority[name] == 2, name
