"""Every mistake of a runbook is told with its file, line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from estate.problems import EstateErrors
from runbooks.text.library import Library
from runbooks.text.reader import parse
from tests.runbooks.books import block, book, step

GOOD = book(step("a"))


def problems(text: str, name: str = "one") -> list[str]:
    with pytest.raises(EstateErrors) as caught:
        parse(text, name, "books/one.md")
    return [str(problem) for problem in caught.value.problems]


def test_a_good_one_is_read():
    found = parse(GOOD, "one", "one.md")
    assert (found.name, found.header.title, len(found.steps)) == ("one", "試験", 1)
    assert len(found.digest) == 64


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("# 題\n", "1:1", "「---」の行で始まる見出し"),
        ("---\ntitle: a\n", "1:1", "閉じる「---」"),
        ("---\ntitle: a\n---\n", "2:1", "impact: 必須の項目"),
        ("---\ntitle: a\nimpact: b\nhost: c\n---\n", "4:1", "知らないキーです（「host」）。もしかして: 「hosts」"),
        ("---\ntitle: a\ntitle: b\nimpact: b\n---\n", "3:1", "重複しています（初出は 2 行目）"),
        ("---\ntitle: a\nimpact: b\nlet: {x: 'y.z'}\n---\n", "4:10", "知らない名前です（y）"),
        ("---\ntitle: a\nimpact: b\nlet: {x: 'layout.('}\n---\n", "4:10", "の誤り"),
        ("---\ntitle: a\nimpact: b\nparameters: {x: {type: number, help: h}}\n---\n", "4:24", "決められた値では"),
        ("---\ntitle: a\nimpact: b\nparameters: {X: {type: text, help: h}}\n---\n", "4:14", "書き方が違います"),
        ("---\ntitle: a\nimpact: b\nparameters: {x: {type: text, help: h, pattern: '('}}\n---\n", "4:48", "正規表現"),
        ("---\ntitle: a\nimpact: b\n---\n", "1:1", "手順（```yaml step）が一つもありません"),
        (GOOD + "```yaml step\nid: b\n", "16:1", "コードブロックが閉じていません"),
        (GOOD + "```yaml stop\nid: b\n```\n", "16:9", "知らない種類のブロックです"),
        (GOOD + "```yaml step\nid: b\ntitle: t\ncheck: a: b\n```\n", "19:9", "YAML の構文の誤り"),
        (GOOD + step("a"), "17:5", "id「a」が重複しています"),
        (GOOD + step("b", apply="echo {{ nobody }}"), "21:8", "知らない名前です（nobody）"),
        (GOOD + step("b", apply="\"echo '{{ vm }}'\""), "21:8", "中にあります"),
        (GOOD + step("b", apply="echo {{ facts.none }}"), "21:8", "事実「none」は、ここより前に"),
        (GOOD + step("b", no_rollback="x", rollback="y"), "24:11", "どちらか一つが要ります"),
        (GOOD + step("b", each="{layout: '[1]'}"), "24:8", "もう使われています"),
        (GOOD + step("b", **{"secret": "a", "input": "b"}), "25:8", "一つだけ使えます"),
        (GOOD + step("b", deadline_s="0"), "24:13", "1 以上"),
        (GOOD + block("fact", id="x", title="t", on="local", run="a"), "17:5", "最初の手順より前に"),
        (GOOD + block("step", id="x", title="t", check="a"), "17:1", "「apply」がありません"),
        (
            GOOD + block("step", id="x", title="t", runbook="y", check="a"),
            "20:8",
            "runbook の手順に check は書けません",
        ),
    ],
)
def test_mistakes_have_their_place(text, place, words):
    found = problems(text)
    assert any(line.startswith(f"books/one.md:{place}: ") and words in line for line in found), found


def test_all_mistakes_come_at_once():
    text = book(step("a", apply="echo {{ one }}"), step("b", verify="echo {{ two }}"), head="let: {x: three}")
    found = problems(text)
    assert [next(word for word in ("three", "one", "two") if f"（{word}）" in line) for line in found] == [
        "three", "one", "two",
    ]  # fmt: skip


def test_a_name_that_is_no_name_is_refused():
    assert "ファイル名" in problems(GOOD, "../one")[0]


def test_other_code_blocks_are_prose():
    text = GOOD + "```sh\necho {{ this is prose }}\n```\n~~~~yaml\nid: no block\n~~~~\n"
    assert len(parse(text, "one", "one.md").steps) == 1


CALL = {"id": "c", "title": "呼ぶ"}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"runbook": "nobody"}, "運用手順書「nobody」はありません"),
        ({"runbook": "outer"}, "自分自身に戻ってきます"),
        ({"runbook": "inner"}, "引数「vm」がありません"),
        ({"runbook": "inner", "with_": "{vm: \"'x'\", more: \"'y'\"}"}, "引数「more」はありません"),
    ],
)
def test_calls_of_other_runbooks_are_checked(tmp_path: Path, call, words):
    (tmp_path / "inner.md").write_text(book(step("a"), head="parameters: {vm: {type: vm, help: h}}"))
    (tmp_path / "outer.md").write_text(book(step("a"), block("step", **CALL, **call)))
    with pytest.raises(EstateErrors) as caught:
        Library(tmp_path).get("outer")
    (problem,) = caught.value.problems
    assert words in problem.message
    assert problem.line in (18, 19, 20, 21)
