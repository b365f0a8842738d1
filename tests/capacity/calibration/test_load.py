"""Online load from records of sysstat and Prometheus."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capacity.calibration.load_records import read_prometheus, read_sysstat
from capacity.calibration.online_profile import DayShape, Unshaped, day_shape, online_block
from capacity.simulation.traces import TraceError
from tests.capacity.simulation.traces.hostile import read_or_refuse

RESTART = "vm1;-1;2026-03-31 15:00:01 UTC;LINUX-RESTART\t(4 CPU)\n"
HEADER = "# hostname;interval;timestamp;CPU;%user;%nice;%system;%iowait;%steal;%idle\n"


def moments(days):
    """Every ten minutes from 1 April 2026 (a Wednesday) on, Japan's clock."""
    return [datetime(2026, 4, 1) + timedelta(minutes=10 * step) for step in range(144 * days)]


def busy(at):
    """Percent of the CPU."""
    if at.weekday() >= 5:
        return 10.0
    return 50.0 if 9 <= at.hour < 17 else 0.0


def sysstat(days=14):
    rows = [
        f"vm1;600;{at - timedelta(hours=9)} UTC;{cpu};{busy(at)};0.00;0.00;1.00;0.00;{99 - busy(at)}\n"
        for at in moments(days)
        for cpu in ("-1", "0")
    ]
    return RESTART + HEADER + "".join(rows)


def write(folder, text):
    (folder / "load.csv").write_text(text, encoding="utf-8")
    return folder / "load.csv"


def test_sysstat_becomes_the_shape_of_a_day(tmp_path):
    record = read_sysstat(write(tmp_path, sysstat()))
    (series,) = record.series
    shape = day_shape(series)
    assert isinstance(shape, DayShape)
    assert (shape.peak_cores, shape.days, shape.first_day, shape.last_day) == (2.0, 14, "2026-04-01", "2026-04-14")
    block = online_block(record, [shape], 10_000)
    assert '    business_day: {"09:00-17:00": 1}\n    closed_day: {"00:00-24:00": 0.2}\n    basis: measured\n' in block
    assert "cores_per_1000_residents: 0.2, basis: measured" in block


def test_the_number_of_cpus_may_be_given(tmp_path):
    text = sysstat().replace(RESTART, "")
    with pytest.raises(TraceError, match=r"load\.csv:2: vm1 の vCPU 数が分かりません。--vcpu で指定してください"):
        read_sysstat(write(tmp_path, text))
    shape = day_shape(read_sysstat(write(tmp_path, text), 8).series[0])
    assert isinstance(shape, DayShape)
    assert shape.peak_cores == 4.0


@pytest.mark.parametrize("wide", [True, False])
def test_prometheus_is_read_in_both_forms(tmp_path, wide):
    rows = [(int(at.timestamp()) - 9 * 3600, busy(at) / 10) for at in moments(7)]
    if wide:
        text = '"Time","ap1","db1"\n' + "".join(f"{at * 1000},{cores},\n" for at, cores in rows)
    else:
        text = "timestamp,instance,value\n" + "".join(f"{at},ap1,{cores}\n" for at, cores in rows)
    record = read_prometheus(write(tmp_path, text))
    assert [series.name for series in record.series] == ["ap1"]
    shape = day_shape(record.series[0])
    assert isinstance(shape, DayShape)
    assert (shape.peak_cores, shape.closed_day) == (5.0, ())
    assert "ピーク ÷ 住民数 × 1000" in online_block(record, [shape], None)


def test_too_few_days_are_said(tmp_path):
    (series,) = read_sysstat(write(tmp_path, sysstat(days=2))).series
    assert day_shape(series) == Unshaped("vm1", "開庁日の測定が 2 日しかありません（3 日以上）")
    quiet = read_sysstat(write(tmp_path, sysstat().replace(";50.0;", ";0.0;").replace(";49.0\n", ";99.0\n"))).series[0]
    assert day_shape(quiet) == Unshaped("vm1", "開庁日の負荷がありません")


@pytest.mark.parametrize(
    ("read", "text", "problem"),
    [
        (read_sysstat, "a;b\n", "load.csv:1: sadf -d の見出し"),
        (read_sysstat, HEADER, "load.csv: CPU の測定値が 1 つもありません"),
        (read_sysstat, RESTART + HEADER + "vm1;600;x;-1;1;0;0;0;0;99\n", "load.csv:3: timestamp は日時です（x）"),
        (read_sysstat, RESTART + HEADER + "vm1;600;2026-04-01 00:00:00 UTC;-1;1;0;0;0;0;nan\n", "load.csv:3: %idle と"),
        (read_sysstat, RESTART + HEADER + "vm1;600\n", "load.csv:3: 欄が 2 個です。正しくは 10"),
        (read_prometheus, "", "load.csv:1: 見出しに時刻の列"),
        (read_prometheus, "a,b\n1,2\n", "load.csv:1: 見出しに時刻の列"),
        (read_prometheus, "time,b\n1,2\n", "load.csv:2: 列数か時刻が違います"),
        (read_prometheus, "time,b\n1700000000,-2\n", "load.csv:2: b は 0 以上のコア数です（-2）"),
        (read_prometheus, 'time,b\n1700000000,"2\n', "load.csv:2: CSV として読めません"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, read, text, problem):
    with pytest.raises(TraceError) as raised:
        read(write(tmp_path, text))
    assert raised.value.problems[0].startswith(problem)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("load")


@settings(max_examples=200, deadline=None)
@given(
    read=st.sampled_from([read_sysstat, read_prometheus]),
    start=st.sampled_from([b"", RESTART.encode() + HEADER.encode(), b"time,b\n", b"# timestamp;CPU;%idle\n"]),
    data=st.binary(max_size=100) | st.text("0123456789;,-: \n", max_size=100).map(str.encode),
)
def test_any_bytes_are_refused_or_read(folder, read, start, data):
    (folder / "load.csv").write_bytes(start + data)
    assert read_or_refuse(lambda: read(folder / "load.csv"))
