"""What is gathered for the report agrees with the folder, and results of other layouts are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from layout import FolderError, folder, results
from layout.licence_records import LicenceResult
from layout.simulation_records import PlanSimulation
from reports import load, saved
from reports.record import gather, most_at_once
from tests.layout import accounts, builder
from tests.reports import folders

DIGEST = {"layout_digest": "0" * 64}


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return folders.write(tmp_path_factory.mktemp("plan") / "out")


def test_the_cases_are_documents_of_the_contract():
    licences = json.loads((folders.CASES / "licences.json").read_text(encoding="utf-8"))
    LicenceResult.model_validate_json(json.dumps(licences | DIGEST))
    lateness = json.loads((folders.CASES / "lateness.json").read_text(encoding="utf-8"))
    PlanSimulation.model_validate_json(json.dumps(lateness | DIGEST))


def test_the_week_holds_the_load_of_the_profile(plan):
    peak = plan.run.peaks[0]
    record = gather(plan)
    week = record.sites[0].week
    assert week.monday.isoformat() == peak.tightest_week
    assert max(week.total(before=False)) == pytest.approx(peak.after_cores)
    start = datetime.combine(week.monday, datetime.min.time(), tzinfo=builder.JST)
    for tenant, series in zip(plan.estate.tenants, week.series, strict=True):
        rows = [
            row
            for row in plan.profile.to_pylist()
            if row["tenant"] == tenant.id and start <= row["slot"] < start + timedelta(days=7)
        ]
        assert series.name == tenant.name
        assert series.core_hours == pytest.approx(sum(row["after"] for row in rows) / 6)
        assert sum(series.before) == pytest.approx(sum(row["before"] for row in rows))


def test_a_hosts_peak_is_that_of_its_vms_added_up_by_hand(plan):
    host_of = {vm.id: vm.host for vm in plan.layout.vms}
    zero = plan.estate.start
    by_host = {host.id: [] for host in plan.layout.hosts}
    for row in plan.runs.to_pylist():
        begin = (row["start"] - zero).total_seconds() + row["fixed_s"]
        by_host[host_of[row["vm"]]].append((begin, begin + row["cpu_s"] / row["max_cores"], row["max_cores"]))
    for row in plan.online.to_pylist():
        span = ((row["from"] - zero).total_seconds(), (row["until"] - zero).total_seconds(), row["cores"])
        by_host[host_of[row["vm"]]].append(span)
    slots = int((plan.estate.end - zero).total_seconds() // 600)
    for line in gather(plan).sites[0].hosts:
        assert line.peak_cores == pytest.approx(accounts.delivered(by_host[line.id], slots).max())
        assert line.vms == sum(host == line.id for host in host_of.values())


def test_vms_that_never_live_together_are_not_added_up(plan):
    vm = plan.layout.vms[0].model_copy(update={"memory_mib": 1024, "vcpu_max": 4})
    change = datetime(2027, 6, 1, tzinfo=UTC)
    old, new = vm.model_copy(update={"until": change}), vm.model_copy(update={"from_": change, "memory_mib": 3072})
    assert most_at_once([old, new])[:2] == (4, 3072)
    assert most_at_once([old, new, vm])[:2] == (8, 4096)
    assert most_at_once([]) == (0, 0, 0.0)


def test_many_tenants_are_drawn_as_the_largest_and_the_rest(tmp_path):
    plan = folder.write(tmp_path / "out", folders.contents(tenants=15, systems=1, hosts=8, days=7))
    week = gather(plan).sites[0].week
    assert len(week.series) == load.MOST_SERIES
    assert week.series[-1].name == "その他（4 団体）"
    assert max(week.total(before=False)) == pytest.approx(plan.run.peaks[0].after_cores)


def test_results_that_were_not_made_are_named(tmp_path):
    plan = folder.write(tmp_path / "out", folders.contents())
    record = gather(plan)
    assert record.licences is None
    assert record.simulation is None
    assert [line.split("は")[0] for line in record.missing] == [
        "最も混む週の模擬",
        "ライセンスの計数",
        "費用と負担の計算",
    ]
    assert gather(folders.with_results(plan)).missing == ()


def test_a_result_of_another_layout_is_refused(tmp_path):
    plan = folders.write(tmp_path / "out")
    index = plan.path / results.RESULTS_FILE
    index.write_text(index.read_text(encoding="utf-8").replace(plan.layout_digest, "f" * 64), encoding="utf-8")
    with pytest.raises(FolderError, match=r"別の layout\.json"):
        gather(plan)


def test_a_result_that_was_changed_by_hand_is_refused(tmp_path):
    plan = folders.write(tmp_path / "out")
    path = plan.path / saved.LICENCES
    path.write_text(path.read_text(encoding="utf-8").replace('"held": 4', '"held": 40'), encoding="utf-8")
    with pytest.raises(FolderError, match="書かれた時と内容が違います"):
        gather(plan)


def test_a_result_of_another_form_is_refused_with_its_place(tmp_path):
    plan = folders.write(tmp_path / "out")
    results.write_result(plan, saved.LATENESS, b'{"format_version": "1.0", "verdict": 3}')
    with pytest.raises(FolderError, match=r"lateness\.json"):
        gather(plan)


def test_a_week_that_is_no_date_is_refused(tmp_path):
    plain = folders.contents()
    peaks = tuple(peak.model_copy(update={"tightest_week": "someday"}) for peak in plain.run.peaks)
    plan = folder.write(tmp_path / "out", replace(plain, run=plain.run.model_copy(update={"peaks": peaks})))
    with pytest.raises(FolderError, match="tightest_week"):
        gather(plan)
