"""A command line that no command understands: one Japanese sentence, exit code 2."""

import pytest


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["simulate", "plan", "--growth", "x"], "--growth: 整数を書いてください"),
        (["simulate", "plan", "--workers", "0"], "--workers: 1 以上の数を書いてください"),
        (["simulate", "plan", "--workers", "1000"], "--workers: 256 以下の数を書いてください"),
        (["simulate", "--nope"], "--nope: そのようなオプションはありません"),
        (["simulate", "plan", "--worker", "2"], "近いもの"),
        (["simulate", "--week"], "--week: 値がないか、値の付け方が違います"),
        (["simulate", "a", "b", "c"], "余分な引数があります（b c）"),
        (["plan"], "ESTATE がありません"),
        (["plan", "x"], "--output がありません"),
        (["nope"], "そのような命令はありません（nope）"),
        (["license", "nope"], "使い方は kumiai license --help"),
    ],
)
def test_wrong_use_is_one_japanese_line(ask, words, said):
    answer = ask(*words)
    assert answer.code == 2
    assert said in answer.err
    assert answer.err.count("\n") == 1
    assert answer.out == ""


@pytest.mark.parametrize("words", [["--help"], ["license", "--help"], ["simulate", "--help"]])
def test_help_is_no_mistake(ask, words):
    answer = ask(*words)
    assert answer.code == 0
    assert "Usage" in answer.out
