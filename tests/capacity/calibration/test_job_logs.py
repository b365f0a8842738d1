"""Job logs: what is read, what is fitted, what is refused."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.calibration.fit import calibrate
from capacity.calibration.job_logs import read_job_logs
from capacity.calibration.override import measured_block
from capacity.simulation.traces import TraceError
from tests.capacity.simulation.traces.hostile import read_or_refuse

HEADER = "job,tenant,start,end,units,cores\n"


def log(tenants=("hita",), rows=12, *, seed=0, job="resident-tax/assessment", fixed_s=120.0, cpu_s_per_unit=0.11):
    """Runs on 2 cores; the third of each tenant took three times as long."""
    rng = np.random.default_rng(seed)
    lines = []
    for tenant in tenants:
        for row in range(rows):
            units = int(rng.uniform(10_000, 60_000))
            duration = (
                (fixed_s + cpu_s_per_unit * units / 2) * (1 + 0.01 * rng.standard_normal()) * (3 if row == 2 else 1)
            )
            start = datetime(2026, 4, 1, 22) + timedelta(days=row)
            lines.append(f"{job},{tenant},{start},{start + timedelta(seconds=duration)},{units},2\n")
    return "".join(lines)


def write(folder, text, name="jobs.csv"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_job_is_fitted_and_its_outlier_named(tmp_path):
    found = calibrate(read_job_logs([write(tmp_path, HEADER + log())]))
    (fit,) = found.fits
    assert (fit.tenant, fit.system, fit.job, fit.rows, fit.cores) == ("hita", "resident-tax", "assessment", 12, 2.0)
    assert fit.cpu_s_per_unit.low < 0.11 < fit.cpu_s_per_unit.high
    assert fit.fixed_s.low < 120 < fit.fixed_s.high
    assert fit.cpu_s_per_unit.value == pytest.approx(0.11, rel=0.03)
    assert [line.split(" ")[0] for line in fit.outliers] == ["jobs.csv:4:"]
    assert (fit.first_day, fit.last_day) == ("2026-04-01", "2026-04-12")


def test_tenants_together_and_each_with_rows_enough(tmp_path):
    few = log(("saiki",), 4, seed=9)
    found = calibrate(read_job_logs([write(tmp_path, HEADER + log(("hita", "takachiho")) + few)]))
    assert [(fit.tenant, fit.rows) for fit in found.fits] == [(None, 28), ("hita", 12), ("takachiho", 12)]
    (refusal,) = found.refusals
    assert (refusal.tenant, refusal.reason) == ("saiki", "行が少なすぎます（4 行、8 行以上）")


def test_measured_cpu_seconds_are_better_than_elapsed_time(tmp_path):
    rng = np.random.default_rng(0)
    lines = []
    for row in range(20):
        units = 1000 * (row + 1)
        waited_s = float(rng.uniform(0, 400)) if row % 2 else 0.0
        start = datetime(2026, 4, 1) + timedelta(days=row)
        end = start + timedelta(seconds=60 + 0.2 * units / 4 + waited_s)
        lines.append(f"assessment,resident-tax,,{start},{end},{units},{0.2 * units},4\n")
    text = "job,system,tenant,start,end,units,cpu_s,cores\n" + "".join(lines)
    (fit,) = calibrate(read_job_logs([write(tmp_path, text)])).fits
    assert fit.cpu_s_per_unit.value == pytest.approx(0.2)
    assert fit.tenant is None
    assert fit.fixed_s.low <= 60 + 1e-6
    assert fit.remarks == ("cpu_s_per_unit は cpu_s から、fixed_s は残りの経過時間から求めました",)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (log(rows=7), "行が少なすぎます（7 行、8 行以上）"),
        (
            "".join(line.rsplit(",", 2)[0] + ",500,2\n" for line in log().splitlines()),
            "units が 1 通りしかなく、固定の時間と分けられません（3 通り以上）",
        ),
        (log(cpu_s_per_unit=-0.001, fixed_s=1000), "件数（units）が増えても時間が延びていません"),
    ],
)
def test_what_cannot_be_fitted_is_said(tmp_path, text, reason):
    found = calibrate(read_job_logs([write(tmp_path, HEADER + text)]))
    assert (found.fits, [refusal.reason for refusal in found.refusals]) == ((), [reason])
    assert measured_block(found) == ""


def test_equal_logs_give_equal_blocks_and_the_order_of_jobs_does_not_matter(tmp_path):
    first, second = log(), log(job="resident-tax/notice", seed=5)
    one = calibrate(read_job_logs([write(tmp_path, HEADER + first + second)]))
    other = calibrate(read_job_logs([write(tmp_path, HEADER + second + first)]))
    assert {fit.job: fit.fixed_s for fit in one.fits} == {fit.job: fit.fixed_s for fit in other.fits}
    assert "cpu_s_per_unit: 0.1" in measured_block(one)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("tenant,start", "tenants,start", "jobs.csv:1: 見出しが違います"),
        (
            "resident-tax/assessment,hita",
            "assessment,hita",
            "jobs.csv:2: job は「業務/ジョブ」の id です（assessment）",
        ),
        ("resident-tax/assessment,hita", "resident-tax/賦課,hita", "jobs.csv:2: job は「業務/ジョブ」の id です"),
        (
            "resident-tax/assessment,hita",
            "resident-tax/assessment,日田市",
            "jobs.csv:2: tenant は団体の id か空です（日田市）",
        ),
        (
            "2026-04-01 22:00:00,",
            "yesterday,",
            "jobs.csv:2: start は日時です（yesterday）。例 2026-06-07T22:00:00+09:00",
        ),
        ("2026-04-01 22:00:00,", "0001-01-01 00:00:00+09:00,", "jobs.csv:2: start は日時です（0001-01-01"),
        ("2026-04-01 22:00:00,", "2026-04-09 22:00:00,", "jobs.csv:2: end（2026-04-01 22:"),
        (",2\n", ",0\n", "jobs.csv:2: cores は 0 より大きい数です（0）"),
        (",2\n", "\n", "jobs.csv:2: 列数が 5 です。正しくは 6"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, old, new, problem):
    text = HEADER + log()
    assert old in text
    with pytest.raises(TraceError) as raised:
        read_job_logs([write(tmp_path, text.replace(old, new, 1))])
    assert raised.value.problems[0].startswith(problem)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200), cell=st.text(max_size=30), header=st.booleans())
def test_any_bytes_are_refused_or_read(folder, data, cell, header):
    text = (HEADER + log()).replace("2026-04-01 22:00:00", cell).encode("utf-8", "surrogatepass")
    (folder / "jobs.csv").write_bytes(text + data if header else data)
    assert read_or_refuse(lambda: read_job_logs([folder / "jobs.csv"]))
