"""The folder of a sweep: what is taken again, what is not, and that its bytes never depend on how it came to be."""

import json

import pyarrow.parquet as pq
import pytest

from capacity.sweep import local, store, task
from capacity.sweep.records import Failed
from capacity.sweep.store import StoreError
from capacity.sweep.summary import LABELS
from tests.capacity.sweep.conftest import SCENARIOS, all_files, here, parquet_count, swept


class StoppedError(Exception):
    """As if the program had been ended here."""


def counting(ran, stop_after=None):
    """A runner that notes what it ran, and stops after so many."""

    def run(tasks, plans):
        for number, pair in enumerate(here(tasks, plans)):
            if number == stop_after:
                raise StoppedError
            ran.append((pair[0].scenario, pair[0].seed))
            yield pair

    return run


def test_a_stopped_sweep_goes_on_where_it_was(write_scenarios, tmp_path):
    path = write_scenarios()
    whole, told = swept(path, tmp_path / "whole")
    assert (told, parquet_count(tmp_path / "whole")) == ([], 12)
    ran = []
    with pytest.raises(StoppedError):
        swept(path, tmp_path / "out", counting(ran, stop_after=5))
    assert parquet_count(tmp_path / "out") == len(ran) == 5
    assert not (tmp_path / "out" / "summary.json").exists()
    summary, told = swept(path, tmp_path / "out", counting(ran))
    assert len(ran) == len(set(ran)) == 12, "a finished one ran again"
    assert told == ["前回の続きです：12 回のうち 5 回は済み、7 回を模擬します"]
    assert summary == whole
    assert all_files(tmp_path / "out") == all_files(tmp_path / "whole")
    again = []
    swept(path, tmp_path / "out", counting(again))
    assert again == []
    assert all_files(tmp_path / "out") == all_files(tmp_path / "whole")


def test_half_written_files_and_lines_are_never_taken(write_scenarios, tmp_path):
    path = write_scenarios()
    swept(path, tmp_path / "out")
    before = all_files(tmp_path / "out")
    first, second, third = sorted((tmp_path / "out").glob("runs/*/seed-3.parquet"))
    first.write_bytes(first.read_bytes()[:-40])
    second.unlink()
    third.with_name(".seed-3.parquet.kumiai-new-0123").write_bytes(b"PAR1")
    ledger = tmp_path / "out" / "ledger.jsonl"
    lines = ledger.read_bytes().splitlines(keepends=True)
    lines[-1] = lines[-1][:30]
    ledger.write_bytes(b"".join(lines))
    ran = []
    _, told = swept(path, tmp_path / "out", counting(ran))
    assert len(ran) == 3
    assert told == [
        "壊れているか消えている結果 2 件は模擬し直します",
        "前回の続きです：12 回のうち 9 回は済み、3 回を模擬します",
    ]
    assert all_files(tmp_path / "out") == before


def test_only_what_a_change_affects_runs_again(write_scenarios, tmp_path):
    swept(write_scenarios(), tmp_path / "out")
    ran = []
    changed = SCENARIOS.replace("1.5", "1.75").replace("count: 4", "count: 5")
    _, told = swept(write_scenarios(changed), tmp_path / "out", counting(ran))
    assert sorted(ran) == [
        ("load_factor=1.0", 7), *(("load_factor=1.75", seed) for seed in range(3, 8)), ("load_factor=2.0", 7)
    ]  # fmt: skip
    assert told == [
        "前回との違い：新しい条件 1、変わった条件 0、なくなった条件 1",
        "前回の続きです：15 回のうち 8 回は済み、7 回を模擬します",
        "今回の条件にない結果 4 件は使わず、フォルダーに残します",
    ]
    back = []
    _, told = swept(write_scenarios(), tmp_path / "out", counting(back))
    assert back == []


def test_a_changed_plan_runs_again(write_scenarios, tmp_path):
    path = write_scenarios()
    swept(path, tmp_path / "out")
    run = json.loads((tmp_path / "plan" / "run.json").read_text())
    run["peaks"][0]["after_cores"] += 1.0
    (tmp_path / "plan" / "run.json").write_text(json.dumps(run))
    ran = []
    _, told = swept(path, tmp_path / "out", counting(ran))
    assert len(ran) == 12
    assert told[:2] == [
        "計画 plan が前回から変わりました。その条件を模擬し直します",
        "前回との違い：新しい条件 0、変わった条件 3、なくなった条件 0",
    ]


def test_one_and_two_workers_write_the_same_bytes(write_scenarios, tmp_path):
    path = write_scenarios()
    swept(path, tmp_path / "here")
    for workers in (1, 2):
        swept(
            path,
            tmp_path / str(workers),
            lambda tasks, plans, n=workers: local.run(tasks, plans, workers=n, work=task.run),
        )
        assert all_files(tmp_path / str(workers)) == all_files(tmp_path / "here")


def test_a_difference_is_said_to_be_there_only_where_its_interval_leaves_out_0(write_scenarios, tmp_path):
    """One seed alone shows no sure difference."""
    one, _ = swept(write_scenarios(SCENARIOS.replace("count: 4", "count: 1")), tmp_path / "one")
    assert one.verdict.startswith("判定：差は不確か — 3 条件を種 1 通りで模擬。")
    assert one.verdict.endswith("。種が 1 つでは差に区間がありません")
    four, _ = swept(write_scenarios(), tmp_path / "four")
    assert four.verdict.startswith("判定：差あり — 3 条件を種 4 通りで模擬。")
    (label,) = {label for name, label in LABELS.items() if f"。{label}は「" in four.verdict}
    sure = [
        figure.difference
        for scenario in four.scenarios[1:]
        for figure in scenario.figures
        if LABELS.get(figure.name) == label
    ]
    assert any(found.low_95 > 0 or found.high_95 < 0 for found in sure)


def test_a_task_without_figures_is_named_and_the_rest_is_there(write_scenarios, tmp_path):
    def failing(tasks, plans):
        for one, outcome in here(tasks, plans):
            yield one, Failed("理由") if (one.scenario, one.seed) == ("load_factor=1.5", 4) else outcome

    path = write_scenarios()
    summary, _ = swept(path, tmp_path / "out", failing)
    assert [(one.scenario, one.seed, one.reason) for one in summary.failed] == [("load_factor=1.5", 4, "理由")]
    assert summary.verdict == (
        "判定：未完 — 3 条件を種 4 通りで模擬し、うち 1 回は結果がありません（「load_factor=1.5」種 4）"
    )
    assert [scenario.seeds for scenario in summary.scenarios] == [4, 3, 4]
    summary, _ = swept(path, tmp_path / "out")
    assert summary.failed == ()
    swept(path, tmp_path / "whole")
    assert all_files(tmp_path / "out") == all_files(tmp_path / "whole")


def test_all_figures_lie_in_one_table(write_scenarios, tmp_path):
    summary, _ = swept(write_scenarios(), tmp_path / "out")
    table = pq.read_table(tmp_path / "out" / "results.parquet")
    assert set(table["scenario"].to_pylist()) == {f"load_factor={factor}" for factor in ("1.0", "1.5", "2.0")}
    assert set(table["seed"].to_pylist()) == {3, 4, 5, 6}
    delays = [
        row["mean"]
        for row in table.to_pylist()
        if (row["scenario"], row["scope"], row["figure"]) == ("load_factor=2.0", "all", "mean_delay_s")
    ]
    (told,) = [figure for figure in summary.scenarios[2].figures if figure.name == "mean_delay_s"]
    assert told.value.mean == pytest.approx(sum(delays) / 4)


def test_other_folders_and_two_sweeps_at_once_are_refused(write_scenarios, tmp_path):
    path = write_scenarios()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("大切")
    with pytest.raises(StoreError, match=r"kumiai sweep の結果ではない（sweep.json なし）"):
        swept(path, tmp_path / "mine")
    with pytest.raises(StoreError, match="同じ名前のファイルがあります"):
        swept(path, path)
    with store.opened(tmp_path / "out"), pytest.raises(StoreError, match="別の kumiai sweep が使っています"):
        swept(path, tmp_path / "out")
