"""How commands talk."""

import json

from kumiai import terminal

HOSTILE = "\x1b]0;x\x07[red]a[/red]\r\u202e\x00　全角"
HARMLESS = "\\u001b]0;x\\u0007[red]a[/red]\\u000d\\u202e\\u0000　全角"


def test_text_is_shown_as_it_is_and_cannot_steer_the_terminal(capsys):
    terminal.emit(HOSTILE)
    terminal.emit_text(f"a\n{HOSTILE}")
    terminal.tell(HOSTILE)
    seen = capsys.readouterr()
    assert seen.out == f"{HARMLESS}\na\n{HARMLESS}\n"
    assert seen.err == f"{HARMLESS}\n"


def test_long_lines_are_not_broken(capsys):
    terminal.emit("長" * 500)
    terminal.tell("word " * 100 + "end")
    assert [len(text.splitlines()) for text in capsys.readouterr()] == [1, 1]


def test_json_keeps_japanese_and_escapes_controls(capsys):
    terminal.emit_json({"verdict": HOSTILE})
    out = capsys.readouterr().out
    assert json.loads(out) == {"verdict": HOSTILE}
    assert "全角" in out
    assert "\x1b" not in out


def test_progress_is_silent_when_piped(capsys):
    with terminal.progress_bar() as progress:
        progress("平準化", 0.5)
    assert capsys.readouterr() == ("", "")


def test_a_refusal_stays_readable(capsys):
    terminal.tell_all(["x" * 10_000_000, *(f"誤り {number}" for number in range(10_000))])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == terminal.MOST_LINES + 1
    assert lines[0].count("x…（10,000,000 字）…x") == 1
    assert len(lines[0]) < terminal.LONGEST_LINE + 20
    assert lines[1] == "誤り 0"
    assert lines[-1] == "ほか 9,801 件の誤りがあります"
