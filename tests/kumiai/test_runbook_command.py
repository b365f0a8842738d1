"""`kumiai runbook`: what the command says and how it ends. No host is reached."""

from __future__ import annotations

import json

import pytest

from runbooks.text.library import Library
from tests.infra import plans

VM = "t00-s00-ap-01"


@pytest.fixture
def plan(tmp_path):
    return plans.write(tmp_path / "plan", tenants=1)


@pytest.fixture
def words(plan, tmp_path):
    """The options of a run on hosts that only have a socket, which no command goes through."""
    uris = tmp_path / "uris.json"
    uris.write_text(json.dumps({host.id: f"qemu+unix:///system?socket=/none/{host.id}" for host in plan.layout.hosts}))
    return ("--plan", plan.path, "--state", tmp_path / "state", "--uris", uris, "--operator", "yamada.h")


def test_all_are_listed(ask):
    answer = ask("runbook", "list")
    assert answer.code == 0
    assert all(name in answer.out for name in Library().names())
    listed = ask("runbook", "list", "--json").document["runbooks"]
    assert [each["name"] for each in listed] == list(Library().names())
    assert next(each for each in listed if each["name"] == "resize-memory")["destructive"]


def test_one_is_shown_for_paper(ask):
    answer = ask("runbook", "show", "migrate-vm")
    assert answer.code == 0
    assert answer.out.startswith("# 仮想サーバを別のホストへ移す")
    assert "署名" in answer.out
    assert ask("runbook", "show", "nobody").code == 2


def test_mistakes_of_a_runbook_have_their_place(ask, tmp_path):
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "one.md").write_text("---\ntitle: a\nimpakt: b\n---\n")
    answer = ask("runbook", "list", "--runbooks", tmp_path / "books")
    assert answer.code == 2
    assert "one.md:3:1: impakt: 知らないキーです" in answer.err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--param", "vm"), "名前=値"),
        (("--param", f"vm={VM}", "--param", f"vm={VM}"), "一度だけ"),
        (("--param", "vm=nobody"), "仮想サーバ「nobody」は計画にありません"),
        ((), "必須です"),
        (("--param", f"vm={VM}", "--operator", "root"), "共用の名前"),
        (("--param", f"vm={VM}", "--rollback"), "--resume と一緒に"),
        (("--resume", "20270101-000000-abcdef"), "記録にありません"),
    ],
)
def test_wrong_use_is_told_and_nothing_is_recorded(ask, words, more, said, tmp_path):
    answer = ask("runbook", "run", "start-vm", *words, *more)
    assert answer.code == 2
    assert said in answer.err
    assert not (tmp_path / "state" / "journal").exists()


def test_an_operator_is_needed(ask, words, monkeypatch):
    monkeypatch.delenv("KUMIAI_OPERATOR", raising=False)
    answer = ask("runbook", "run", "start-vm", *words[:-2], "--param", f"vm={VM}")
    assert answer.code == 2
    assert "KUMIAI_OPERATOR" in answer.err


def test_a_plan_that_does_not_fit_is_not_worked_on(ask, words, tmp_path):
    unfit = plans.write(tmp_path / "unfit", tenants=1, fits=False)
    answer = ask("runbook", "run", "start-vm", "--plan", unfit.path, *words[2:], "--param", f"vm={VM}")
    assert answer.code == 3
    assert "適合しない計画" in answer.err


def test_a_host_behind_a_socket_is_refused_with_a_hint_and_the_attempt_is_recorded(ask, words, tmp_path):
    answer = ask("runbook", "run", "start-vm", *words, "--yes", "--param", f"vm={VM}")
    assert answer.code == 1
    assert "ssh.json" in answer.out
    rehearsed = ask("runbook", "run", "start-vm", *words, "--param", f"vm={VM}", "--dry-run", "--json")
    assert rehearsed.code == 3
    assert rehearsed.document["outcome"] == "rehearsed"
    assert rehearsed.document["plan"]["steps"][0]["apply"] == f"virsh start {VM}"
    shown = ask("runbook", "journal", "--state", tmp_path / "state")
    assert shown.code == 0
    assert shown.out.count("start-vm") == 2
    assert "失敗" in shown.out
    assert "下見のみ" in shown.out
    document = ask("runbook", "journal", "--state", tmp_path / "state", "--json").document
    assert [run["outcome"] for run in document["runs"]] == ["failed", "rehearsed"]
    assert {run["operator"] for run in document["runs"]} == {"yamada.h"}
    assert len(document["head"]) == 64


def test_a_record_that_was_changed_is_told(ask, words, tmp_path):
    ask("runbook", "run", "start-vm", *words, "--yes", "--param", f"vm={VM}")
    journal = tmp_path / "state" / "journal" / "journal.jsonl"
    journal.write_text(journal.read_text().replace("yamada.h", "suzuki.k"))
    answer = ask("runbook", "journal", "--state", tmp_path / "state")
    assert answer.code == 1
    assert "改ざん" in answer.err


def test_no_record_is_an_empty_one(ask, tmp_path):
    answer = ask("runbook", "journal", "--state", tmp_path)
    assert (answer.code, answer.out.splitlines()[0]) == (0, "記録：実行 0 件、0 行、つながりは正しい")
