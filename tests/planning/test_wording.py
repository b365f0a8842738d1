"""The sentences that a planner reads first."""

from datetime import datetime, timedelta, timezone

from layout.records import Bound, CheckVerdict, MisfitRecord, PeakRecord, RunRecord
from planning import wording

JST = timezone(timedelta(hours=9))
AT = datetime(2027, 6, 7, 2, 0, tzinfo=JST)
NAMES = {"a": "延岡", "b": "佐賀"}


def peak(site="a", before=20.0, after=8.0, bound=6.4, capacity=32.0):
    return PeakRecord(
        site=site, before_cores=before, before_at=AT, after_cores=after, after_at=AT, bound_cores=bound,
        capacity_cores=capacity, tightest_week="2027-06-07",
    )  # fmt: skip


def hosts(site, count):
    return Bound(site=site, resource="hosts", lower_bound=1.0, plan=count, gap=0.0, proof="")


def record(**values):
    plain = {
        "kumiai_version": "0", "versions": {}, "estate_digest": "", "layout_digest": "", "seed": 0, "timings_s": {},
        "fits": True, "verdict": "", "runs": 1234,
    }  # fmt: skip
    return RunRecord(**(plain | values))


def test_a_fitting_plan_names_the_tightest_site_and_its_room():
    used = [hosts("a", 3.0), hosts("b", 2.0)]
    said = wording.verdict("令和9年度", [peak("a"), peak("b", after=30.0)], used, [], NAMES)
    assert said == (
        "判定：適合 — 令和9年度、最繁忙 令和9年6月7日 02:00（佐賀）、CPU 余裕 6%、"
        "物理サーバ 延岡 3 台、佐賀 2 台（予備を含む）"
    )


def test_a_plan_without_load_says_so():
    assert wording.verdict("令和9年度", [], [], [], NAMES) == "判定：適合 — 令和9年度、CPU 負荷はありません"


def test_a_misfit_is_the_verdict_and_counts_the_others():
    misfits = [MisfitRecord(kind="window", reason=f"理由{n}") for n in range(3)]
    assert wording.verdict("x", [], [], misfits[:1], NAMES) == "判定：不適合 — 理由0"
    assert wording.verdict("x", [peak(capacity=0.0)], [], misfits, NAMES) == "判定：不適合 — 理由0（ほか 2 件）"


def test_the_summary_says_before_after_and_bound():
    lines = wording.summary(record(peaks=(peak(),), checks=(CheckVerdict(checker="windows", passed=True),)), NAMES)
    assert lines == (
        "実行数：1,234 件",
        "CPU 最大負荷（延岡）：平準化前 20.0 → 平準化後 8.0 コア（40%）、理論下限 6.4（1.25 倍）、"
        "使用中の物理サーバ 32 コア",
        "独立検査：1 / 1 合格",
    )


def test_the_summary_of_nothing_divides_by_nothing():
    lines = wording.summary(record(peaks=(peak(before=0.0, after=0.0, bound=0.0, capacity=0.0),)), NAMES)
    assert "（—）、理論下限 0.0（—）" in lines[1]


def test_the_summary_keeps_20_misfits_and_names_failed_checks():
    misfits = tuple(MisfitRecord(kind="window", reason=f"理由{n}") for n in range(25))
    failed = CheckVerdict(checker="slots", passed=False, violations=("重なり",), count=7)
    lines = wording.summary(record(fits=False, misfits=misfits, checks=(failed,)), NAMES)
    assert sum(line.startswith("不適合：理由") for line in lines) == 20
    assert "不適合：ほか 5 件（run.json の misfits を参照）" in lines
    assert lines[-2:] == ("独立検査：0 / 1 合格", "検査 slots：重なり（7 件）")
