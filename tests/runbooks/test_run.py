"""What a run does in which order, on machines that answer from a list."""

from __future__ import annotations

import time

import pytest

from runbooks.errors import JournalError, RunbookError
from runbooks.running.confirmation import Consent
from tests.runbooks.books import block, book, step
from tests.runbooks.fake import Answer

TO_DO = Answer("^check-", code=1)


def changes(bench) -> list[str]:
    return [command for _, command in bench.machines.changes]


def test_preconditions_are_asked_before_the_first_step_and_a_refusal_changes_nothing(bench):
    bench.write(
        "two",
        book(
            block("precondition", id="one", title="一", on="host('kvm01')", run="look-one", otherwise="だめ"),
            block("precondition", id="two", title="二", on="host('kvm02')", run="look-two", otherwise="二もだめ"),
            step("a"),
        ),
    )
    bench.again(TO_DO, Answer("look-two", code=1, stdout="because"))
    result = bench.run("two")
    assert result.outcome == "refused"
    assert result.lines == ["二（kvm02）：二もだめ（because）"]
    assert changes(bench) == []
    bench.again(TO_DO)
    assert bench.run("two").outcome == "done"
    assert [command for _, command in bench.machines.commands] == [
        "look-one", "look-two", "check-a", "apply-a", "verify-a",
    ]  # fmt: skip


def test_a_step_that_is_done_is_skipped_and_a_check_that_cannot_tell_ends_the_run(bench):
    bench.write("one", book(step("a"), step("b")))
    bench.again(Answer("check-b", code=1))
    result = bench.run("one")
    assert (result.outcome, result.applied, result.skipped) == ("done", 1, 1)
    assert changes(bench) == ["apply-b"]
    bench.again(Answer("check-a", code=2, stderr="no such domain"))
    result = bench.run("one")
    assert result.outcome == "failed"
    assert "今の状態を調べられません" in result.lines[0]
    assert "no such domain" in result.lines[0]
    assert changes(bench) == []


def test_a_failure_is_rolled_back_in_reverse_order_and_every_rollback_is_proven(bench):
    bench.write("three", book(step("a"), step("b"), step("c", rollback_verify="proof-c"), step("d")))
    bench.again(TO_DO, Answer("verify-c", code=1, stderr="not there"))
    result = bench.run("three")
    assert result.outcome == "failed"
    assert "not there" in result.lines[0]
    assert changes(bench) == ["apply-a", "apply-b", "apply-c", "undo-c", "undo-b", "undo-a"]
    commands = [command for _, command in bench.machines.commands]
    after = commands[commands.index("undo-c") :]
    assert after == ["undo-c", "proof-c", "undo-b", "check-b", "undo-a", "check-a"]
    assert bench.kinds()[-4:] == ["rolled_back", "rolled_back", "rolled_back", "ended"]


def test_a_step_whose_apply_failed_is_undone_too(bench):
    bench.write("one", book(step("a")))
    bench.again(TO_DO, Answer("apply-a", code=5))
    assert bench.run("one").outcome == "failed"
    assert changes(bench) == ["apply-a", "undo-a"]


def test_a_rollback_that_does_not_take_effect_is_told_and_stops_there(bench):
    bench.write("two", book(step("a"), step("b")))
    bench.again(Answer("check-b", code=1, times=1), Answer("check-a", code=1), Answer("verify-b", code=1))
    result = bench.run("two")
    assert result.outcome == "failed"
    assert "元へ戻す途中で止まりました：手順b" in result.lines[0]
    assert changes(bench) == ["apply-a", "apply-b", "undo-b"]
    assert "rollback_failed" in bench.kinds()


def test_a_step_without_a_way_back_says_why_and_the_others_are_undone(bench):
    bench.write("two", book(step("a"), step("b", no_rollback="写しである"), step("c")))
    bench.again(TO_DO, Answer("apply-c", code=1))
    bench.run("two")
    assert changes(bench) == ["apply-a", "apply-b", "apply-c", "undo-c", "undo-a"]
    assert any("戻しません — 写しである" in line for line in bench.told)


def test_on_failure_stop_keeps_what_is_done(bench):
    bench.write("two", book(step("a"), step("b"), head="on_failure: stop"))
    bench.again(TO_DO, Answer("apply-b", code=1))
    assert bench.run("two").outcome == "failed"
    assert changes(bench) == ["apply-a", "apply-b"]


def test_facts_are_typed_and_stand_in_commands_as_one_word_each(bench):
    bench.write(
        "one",
        book(
            block("fact", id="free", title="空き", on="host('kvm01')", run="ask-free", parse="integer", wanted="'7'"),
            block("fact", id="names", title="名前", on="host('kvm01')", run="ask-names", parse="lines"),
            step("a", apply="do {{ facts.free * 2 }} {{ facts.names }} {{ facts.names | join(' ') }}"),
        ),
    )
    bench.again(TO_DO, Answer("ask-free", stdout=" 21\n"), Answer("ask-names", stdout="b\nit's; rm -rf /\n\n"))
    assert bench.run("one").outcome == "done"
    assert changes(bench) == ["""do 42 b 'it'"'"'s; rm -rf /' 'b it'"'"'s; rm -rf /'"""]
    bench.again(TO_DO, Answer("ask-free", stdout="many"))
    result = bench.run("one")
    assert (result.outcome, changes(bench)) == ("failed", [])
    assert "整数ではありません（many）" in result.lines[0]


def test_a_fact_over_hosts_is_known_by_host_and_one_that_fails_has_its_default(bench):
    bench.write(
        "one",
        book(
            block("fact", id="load", title="負荷", on="layout.hosts", run="ask-load", parse="integer", default="'0'"),
            block("fact", id="sizes", title="大きさ", on="host('kvm01')",
                  each='{disk: "vm_by_id(\'t00-s00-ap-01\').disks"}', run="ask-size {{ disk.name }}", parse="integer"),
            block("fact", id="none", title="なし", on="'[]'", run="ask-nobody"),
            step("a", apply="do {{ facts.load['kvm02'] }} {{ facts.sizes['t00-s00-ap-01-data'] }} {{ facts.none }}"),
        ),
    )  # fmt: skip
    bench.again(
        TO_DO,
        Answer("ask-load", on="kvm01", code=1),
        Answer("ask-load", stdout="3"),
        Answer("data", stdout="5"),
        Answer("ask-size", stdout="4"),
    )
    assert bench.run("one").outcome == "done", bench.told
    assert changes(bench) == ["do 3 5 '{}'"]


def test_a_dry_run_shows_exact_commands_and_changes_nothing(bench):
    bench.write(
        "one",
        book(
            block("fact", id="now", title="今", on="host('kvm01')", run="ask", parse="integer", wanted="'4'"),
            block("precondition", id="p", title="前提", on="local", run="look", otherwise="だめ"),
            step("a"),
            step("b", apply="do {{ facts.now }}"),
        ),
    )
    bench.again(Answer("ask", stdout="2"), Answer("look", code=1), Answer("check-b", code=1))
    result = bench.run("one", dry_run=True)
    assert result.outcome == "rehearsed"
    assert changes(bench) == []
    assert bench.machines.held == []
    from runbooks.running import rehearsal

    shown = "\n".join(rehearsal.lines(result.survey))
    assert "kvm01：今：2 → 4" in shown
    assert "前提：満たさない — だめ" in shown
    assert "手順a（kvm01）：済み" in shown
    assert "手順b（kvm01）：これから" in shown
    assert "実施　do 2" in shown
    assert rehearsal.document(result.survey)["facts"][0]["wanted"] == 4


def test_a_dry_run_goes_on_past_a_host_that_does_not_answer(bench):
    bench.write(
        "one",
        book(
            block("fact", id="now", title="今", on="host('kvm02')", run="ask", parse="integer"),
            step("a", apply="do {{ facts.now }}"),
            step("b"),
        ),
    )
    bench.machines.unreachable.add("kvm02")
    result = bench.run("one", dry_run=True)
    assert result.outcome == "rehearsed"
    states = [each.state for each in result.survey.planned]
    assert states[0].startswith("不明")
    assert states[1] == "done"
    bench.again()
    bench.machines.unreachable.add("kvm02")
    assert bench.run("one").outcome == "failed"
    assert changes(bench) == []


def test_hosts_are_locked_before_anything_is_asked_and_a_held_one_ends_the_run(bench):
    bench.write("one", book(step("a"), head="hosts: [host('kvm02'), host('kvm01')]"))
    bench.machines.conflicts.add("kvm02")
    result = bench.run("one")
    assert result.outcome == "failed"
    assert "別の実行が進行中" in result.lines[0]
    assert bench.machines.asked == []
    bench.again(TO_DO)
    bench.run("one")
    hosts = [machine for machine, _ in bench.machines.held]
    assert hosts == ["local", "kvm01", "kvm02"]
    assert bench.machines.closed


def test_what_is_destructive_needs_the_targets_name(bench):
    head = "parameters: {vm: {type: vm, help: 対象}}\ndestructive: false"
    bench.write("one", book(step("a", destructive="true"), head=head))
    given = {"vm": "t00-s00-ap-01"}
    bench.again(TO_DO)
    with pytest.raises(RunbookError, match="--confirm t00-s00-ap-01"):
        bench.run("one", parameters=given)
    with pytest.raises(RunbookError, match="対象の名前「t00-s00-ap-01」と違います"):
        bench.run("one", parameters=given, consent=Consent(yes=True, confirm="t00-s00-ap-02"))
    with pytest.raises(RunbookError, match="入力されなかった"):
        bench.run("one", parameters=given, consent=Consent(ask=lambda _: "yes\n"))
    assert changes(bench) == []
    assert bench.run("one", parameters=given, consent=Consent(confirm="t00-s00-ap-01")).outcome == "done"
    bench.again(TO_DO)
    assert bench.run("one", parameters=given, consent=Consent(ask=lambda _: "t00-s00-ap-01\n")).outcome == "done"


def test_nothing_is_changed_without_consent_and_the_question_names_everything(bench):
    head = "parameters: {vm: {type: vm, help: 対象}}\nhosts: [vm.host]\ntenants: [vm.tenant]"
    bench.write("one", book(step("a"), head=head))
    given = {"vm": "t00-s00-ap-01"}
    bench.again(TO_DO)
    with pytest.raises(RunbookError, match="--yes"):
        bench.run("one", parameters=given, consent=Consent())
    assert changes(bench) == []
    said = "\n".join(bench.told)
    for word in ("kvm01", "t00-s00-ap-01", "t00", "なし", OPERATOR_LINE):
        assert word in said
    assert "not_confirmed" in bench.kinds()


OPERATOR_LINE = "：yamada.h"


def test_of_many_instances_some_may_fail_where_the_step_says_so(bench):
    many = step("a", each="{item: '[1, 2, 3, 4]'}", apply="apply-a {{ item }}", tolerate_percent=25)
    bench.write("one", book(many, step("b")))
    bench.again(TO_DO, Answer("apply-a 2", code=1))
    result = bench.run("one")
    assert result.outcome == "failed"
    assert len(result.lines) == 1
    assert changes(bench)[-1] == "apply-b"
    bench.again(TO_DO, Answer("apply-a [23]", code=1))
    result = bench.run("one")
    assert result.outcome == "failed"
    assert "apply-a 4" not in changes(bench)
    assert "apply-b" not in changes(bench)


def test_a_called_runbook_is_asked_before_step_one_and_rolled_back_with_the_rest(bench):
    bench.write(
        "inner",
        book(
            block("precondition", id="ok", title="内の前提", on="local", run="look {{ vm }}", otherwise="内がだめ"),
            step("x", apply="apply-x {{ vm }}", rollback="undo-x {{ vm }}"),
            head="parameters: {vm: {type: vm, help: 対象}}",
        ),
    )
    call = block("step", id="call", title="呼ぶ", runbook="inner", each="{vm: \"vms_on('kvm02')\"}", with_="{vm: vm}")
    bench.write("outer", book(step("a"), call, step("z")))
    bench.again(TO_DO, Answer("look t00-s00-db-01", code=1))
    result = bench.run("outer")
    assert (result.outcome, changes(bench)) == ("refused", [])
    bench.again(TO_DO, Answer("verify-z", code=1))
    assert bench.run("outer").outcome == "failed"
    assert changes(bench) == [
        "apply-a", "apply-x t00-s00-ap-02", "apply-x t00-s00-db-01", "apply-z",
        "undo-z", "undo-x t00-s00-db-01", "undo-x t00-s00-ap-02", "undo-a",
    ]  # fmt: skip
    assert result.survey.reach.vms == ("t00-s00-ap-02", "t00-s00-db-01")


def test_the_run_ends_at_its_own_deadline_and_a_rollback_has_its_own(bench):
    bench.write("one", book(step("a"), step("b"), head="deadline_s: 1"))
    bench.again(TO_DO)
    real = bench.machines.run

    def slow(machine, order):
        time.sleep(0.6 if "-a" in order.command and "undo" not in order.command else 0)
        return real(machine, order)

    bench.machines.run = slow
    result = bench.run("one")
    assert result.outcome == "failed"
    assert "手順書全体の制限時間 1 秒" in result.lines[0]
    assert changes(bench) == ["apply-a", "undo-a"]
    given = {order.command: order.deadline_s for _, order in bench.machines.asked}
    assert 0 < given["apply-a"] <= 1
    assert given["undo-a"] == 120


def test_stop_is_heeded_between_commands_and_the_run_is_resumed_with_the_facts_of_before(bench):
    bench.write(
        "one",
        book(
            block("fact", id="now", title="今", on="host('kvm01')", run="ask", parse="integer"),
            block("precondition", id="p", title="前提", on="local", run="look-again", otherwise="だめ"),
            block("precondition", id="q", title="一度", on="local", run="look-once", otherwise="だめ", once="true"),
            step("a", apply="apply-a {{ facts.now }}", rollback="undo-a {{ facts.now }}"),
            step("b", apply="apply-b {{ facts.now }}"),
        ),
    )
    asked = iter([False] * 4 + [True] * 100)
    bench.again(TO_DO, Answer("ask", stdout="1"))
    result = bench.run("one", stop_asked=lambda: next(asked))
    assert result.outcome == "stopped"
    assert changes(bench) == ["apply-a 1"]
    bench.again(
        Answer("check-b", code=1), Answer("ask", stdout="2"), Answer("verify-b", code=1), Answer("check-a", code=1)
    )
    again = bench.run("one", resume=result.run)
    assert again.run == result.run
    commands = [command for _, command in bench.machines.commands]
    assert commands[:4] == ["ask", "look-again", "verify-a", "check-b"]
    assert changes(bench) == ["apply-b 1", "undo-b", "undo-a 1"]


def test_a_run_that_was_killed_is_resumed_and_an_unfinished_step_is_asked_again(bench):
    bench.write("two", book(step("a"), step("b")))

    class Killed(BaseException):
        pass

    def dies(machine, order):
        if order.command == "apply-b":
            raise Killed
        return real(machine, order)

    bench.again(TO_DO)
    real = bench.machines.run
    bench.machines.run = dies
    with pytest.raises(Killed):
        bench.run("two")
    run = next(bench.journal.entries()).run
    bench.again(Answer("verify-b", code=1, times=1))
    assert bench.run("two", resume=run).outcome == "done"
    assert changes(bench) == ["true", "apply-b"]  # first the wait for a command that the runner left behind
    commands = [command for _, command in bench.machines.commands]
    assert commands == ["true", "verify-a", "check-b", "verify-b", "apply-b", "verify-b"]
    with pytest.raises(RunbookError, match="終わっています"):
        bench.run("two", resume=run)


def test_an_interrupted_run_can_be_undone_instead(bench):
    bench.write("two", book(step("a"), step("b"), head="on_failure: stop"))
    bench.again(TO_DO, Answer("apply-b", code=1))
    run = bench.run("two").run
    bench.again(TO_DO)
    assert bench.run("two", resume=run, roll_back=True).outcome == "rolled back"
    assert changes(bench) == ["undo-b", "undo-a"]
    with pytest.raises(RunbookError, match="終わっています"):
        bench.run("two", resume=run, roll_back=True)


def test_a_run_is_resumed_only_as_it_began(bench):
    bench.write("one", book(step("a"), head="on_failure: stop\nparameters: {n: {type: integer, help: 数}}"))
    bench.again(TO_DO, Answer("apply-a", code=1))
    run = bench.run("one", parameters={"n": "1"}).run
    with pytest.raises(RunbookError, match="引数を変えられません"):
        bench.run("one", resume=run, parameters={"n": "2"})
    with pytest.raises(RunbookError, match="記録にありません"):
        bench.run("one", resume="20200101-000000-abcdef")
    bench.write("other", book(step("a")))
    with pytest.raises(RunbookError, match="「one」です"):
        bench.run("other", resume=run)
    path = bench.folder / "one.md"
    path.write_text(path.read_text() + "\n後から足した行\n")
    with pytest.raises(RunbookError, match="書き換えられています"):
        bench.run("one", resume=run)


def test_nothing_is_done_that_cannot_be_recorded(bench):
    bench.write("one", book(step("a")))
    bench.journal.folder.write_text("a file where the folder should be")
    with pytest.raises(JournalError):
        bench.run("one")
    assert bench.machines.asked == []


def test_what_a_step_says_is_told_where_it_is_meant_for_the_operator(bench):
    bench.write("one", book(step("a", tell_output="true"), step("b")))
    bench.again(
        TO_DO,
        Answer("apply-a", stdout="判定：残り 1 件\n  次は b\n", stderr="小声"),
        Answer("apply-b", stdout="黙って"),
    )
    bench.run("one")
    assert "    判定：残り 1 件" in bench.told
    assert "      次は b" in bench.told
    assert not any("小声" in line or "黙って" in line for line in bench.told)


def test_a_secret_is_given_on_standard_input_and_is_nowhere_else(bench):
    folder = bench.site.state / "secrets" / "t00"
    folder.mkdir(parents=True)
    path = folder / "passphrase"
    path.write_text("correct horse battery\n")
    path.chmod(0o600)
    bench.write("one", book(step("a", **{"secret": "t00/passphrase", "keep_output": "true"})))
    bench.again(
        TO_DO,
        Answer("apply-a", stdout="got correct horse battery, thanks"),
        Answer("verify-a", code=1, stderr="wrong: correct horse battery"),
    )
    result = bench.run("one")
    given = [order.stdin for _, order in bench.machines.asked if order.stdin]
    assert given == [b"correct horse battery\n"]
    everything = bench.journal.path.read_text() + "\n".join([*bench.told, *result.lines])
    assert "horse" not in everything
    assert "＊＊＊" in everything
    assert '"redacted":true' in everything
    assert all("horse" not in command for _, command in bench.machines.commands)
    path.chmod(0o644)
    bench.again(TO_DO)
    result = bench.run("one")
    assert result.outcome == "failed"
    assert "chmod 600" in result.lines[0]


def test_input_comes_from_a_command_here(bench):
    bench.write(
        "one",
        book(step("a", input_from="render kvm01", check="sh -s check", apply="sh -s apply", verify="sh -s check")),
    )
    bench.again(Answer("render", stdout="rules"), Answer("sh -s check", code=1, times=1))
    assert bench.run("one").outcome == "done"
    assert [(m, o.command, o.stdin) for m, o in bench.machines.asked] == [
        ("local", "render kvm01", b""),
        ("kvm01", "sh -s check", b"rules"),
        ("kvm01", "sh -s apply", b"rules"),
        ("kvm01", "sh -s check", b"rules"),
    ]


def test_the_journal_says_who_when_what_and_with_what_result(bench):
    bench.write("one", book(step("a"), head="parameters: {vm: {type: vm, help: 対象}}\ntenants: [vm.tenant]"))
    bench.again(TO_DO, Answer("apply-a", stdout="out", stderr="err"))
    bench.run("one", parameters={"vm": "t00-s00-ap-01"})
    entries = list(bench.journal.entries())
    first = entries[0].data
    assert first["operator"] == "yamada.h"
    assert first["layout_digest"] == bench.site.layout_digest
    assert first["commit"]
    assert first["parameters"] == {"vm": "t00-s00-ap-01"}
    applied = [entry.data for entry in entries if entry.data.get("phase") == "apply"]
    assert [each["kind"] for each in applied] == ["command", "result"]
    assert applied[0]["command"] == "apply-a"
    assert applied[1]["code"] == 0
    assert len(applied[1]["output_digest"]) == 64
    assert "out" not in applied[1].values()
    assert next(e.data for e in entries if e.kind == "confirmed")["tenants"] == ["t00"]
    assert entries[-1].data["outcome"] == "done"


@pytest.mark.parametrize("error", [BrokenPipeError, SystemExit])
def test_a_reader_that_goes_away_does_not_end_the_run(bench, error):
    bench.write("one", book(step("a")))
    bench.again(TO_DO)

    class Gone(list):
        def append(self, line):
            raise error

    bench.told = Gone()
    assert bench.run("one").outcome == "done"


def test_what_only_reads_is_asked_again_when_a_signal_ended_it(bench):
    bench.write("one", book(step("a")))
    bench.again(Answer("check-a", code=134, times=1), Answer("check-a", code=1), Answer("apply-a", code=134))
    assert bench.run("one").outcome == "failed"
    assert [command for _, command in bench.machines.commands] == ["check-a", "check-a", "apply-a", "undo-a", "check-a"]


def test_after_a_point_of_no_return_nothing_before_it_is_undone(bench):
    bench.write("three", book(step("a"), step("b", commit="true"), step("c")))
    bench.again(TO_DO, Answer("verify-c", code=1))
    run = bench.run("three").run
    assert changes(bench) == ["apply-a", "apply-b", "apply-c", "undo-c"]
    bench.again(Answer("check-c", code=1))
    assert bench.run("three", resume=run).outcome == "done"
    assert changes(bench) == ["apply-c"]
