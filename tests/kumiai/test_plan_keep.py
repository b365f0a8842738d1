"""`kumiai plan --keep`."""

import pytest

from kumiai.plan import _moves
from kumiai.terminal import RefusedError
from layout import folder
from tests.kumiai.conftest import LAB, all_files
from tests.kumiai.spoilt import CASES, spoil


@pytest.fixture
def first(ask, write_estate, tmp_path):
    """The small random estate, planned into `first`."""
    assert ask("plan", write_estate(), "-o", tmp_path / "first").code == 0
    return tmp_path / "first"


def test_nothing_changes_without_a_reason(ask, write_estate, first, tmp_path):
    answer = ask("plan", tmp_path / "estate.yaml", "-o", tmp_path / "second", "--keep", first)
    assert answer.code == 0
    assert "前の計画からの変更：なし" in answer.out.splitlines()
    plan = folder.read_planned(tmp_path / "second")
    assert plan.layout.generation == 2
    assert (tmp_path / "second" / "runs.parquet").read_bytes() == (first / "runs.parquet").read_bytes()


def test_a_folder_is_kept_in_its_own_place(ask, first, tmp_path):
    assert ask("plan", tmp_path / "estate.yaml", "-o", first, "--keep", first).code == 0
    assert folder.read_planned(first).layout.generation == 2


def test_the_changes_are_a_table_with_runbooks(ask, write_estate, first, tmp_path):
    def more_memory(_, catalogue):
        for system in catalogue["systems"].values():
            system["roles"]["ap"]["size"]["memory_gib"] = {"small": 9.0, "large": 25.0}

    path = write_estate(more_memory)
    answer = ask("plan", path, "-o", tmp_path / "second", "--keep", first)
    assert answer.code == 0
    plan = folder.read_planned(tmp_path / "second")
    rows = [line for line in answer.out.splitlines() if "resize-memory" in line]
    assert len(rows) == len(plan.layout.vms) == plan.run.changes_count
    assert all("規模" in row and "メモリ MiB" in row and "計画停止" in row for row in rows)
    assert f"前の計画からの変更：{plan.run.changes_count} 件（規模 {plan.run.changes_count}）" in answer.out
    as_json = ask("plan", path, "-o", tmp_path / "second", "--keep", first, "--json")
    assert as_json.document["changes_count"] == plan.run.changes_count
    assert as_json.document["changes"][0]["runbook"] == "resize-memory"


def test_a_vm_is_moved_and_a_host_emptied(ask, first, tmp_path):
    layout = folder.read_planned(first).layout
    vm = layout.vms[0]
    target = next(host.id for host in layout.hosts if host.site == vm.site and host.id != vm.host and not host.spare)
    estate, second, third = tmp_path / "estate.yaml", tmp_path / "second", tmp_path / "third"
    answer = ask("plan", estate, "-o", second, "--keep", first, "--move", f"{vm.id}={target}")
    assert answer.code == 0
    row = next(line for line in answer.out.splitlines() if "migrate-vm" in line)
    assert f"{vm.host} → {target}" in row
    assert "--move" in row
    answer = ask("plan", estate, "-o", third, "--keep", second, "--without-host", target)
    assert answer.code == 0
    assert "evacuate-host" in answer.out
    assert target not in {one.host for one in folder.read_planned(third).layout.vms}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--move", "a=b"], "--keep と一緒に使います"),
        (["--without-host", "a"], "--keep と一緒に使います"),
        (["--keep", "FIRST", "--move", "a"], "VM=HOST の形"),
        (["--keep", "FIRST", "--move", "a=b", "--move", "a=c"], "移動先が二つあります"),
        (["--keep", "FIRST", "--move", "a=b"], "そのような仮想サーバはありません"),
        (["--keep", "FIRST", "--without-host", "kvm;reboot"], "そのようなホストはありません"),
        (["--keep", "nowhere"], "計画フォルダーがありません"),
        (["--keep", "estate.yaml"], "計画フォルダーではありません"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(ask, first, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    arguments = [str(first) if word == "FIRST" else word for word in arguments]
    answer = ask("plan", tmp_path / "estate.yaml", "-o", tmp_path / "second", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert words in answer.err
    assert len(answer.err.splitlines()) == 1
    assert not (tmp_path / "second").exists()


def test_the_plan_of_another_estate_is_refused(ask, first, lab_plan, tmp_path):
    answer = ask("plan", tmp_path / "estate.yaml", "-o", tmp_path / "second", "--keep", lab_plan)
    assert (answer.code, answer.out) == (2, "")
    assert "別の構成の計画です" in answer.err
    assert not (tmp_path / "second").exists()


COMMANDS = {
    "plan --keep": lambda path, out: ("plan", LAB, "-o", out, "--keep", path),
    "simulate": lambda path, _: ("simulate", path, "--week", "tightest"),
    "license count": lambda path, _: ("license", "count", path),
    "report": lambda path, _: ("report", path, "--format", "json"),
    "compare": lambda path, _: ("compare", path, path),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("case", CASES)
def test_a_bad_folder_is_refused_by_whoever_reads_it(ask, lab_plan, tmp_path, case, command):
    spoil(lab_plan, case)
    before = all_files(lab_plan)
    answer = ask(*COMMANDS[command](lab_plan, tmp_path / "out"))
    assert (answer.code, answer.out) == (2, "")
    assert len(answer.err.splitlines()) == 1
    assert "layout.json" in answer.err
    assert all_files(lab_plan) == before
    assert not (tmp_path / "out").exists()


def test_a_folder_without_its_runs_is_not_kept(ask, lab_plan, tmp_path):
    (lab_plan / "runs.parquet").write_bytes((lab_plan / "runs.parquet").read_bytes()[:200])
    answer = ask("plan", LAB, "-o", tmp_path / "out", "--keep", lab_plan)
    assert (answer.code, answer.out) == (2, "")
    assert "runs.parquet" in answer.err


def test_wishes_are_read_word_by_word():
    assert _moves(["a=b", "c=d=e", "a=b"]) == {"a": "b", "c": "d=e"}
    with pytest.raises(RefusedError):
        _moves(["=b"])
