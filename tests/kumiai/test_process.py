"""The command as a process: what a shell, a pipe and a terminal see."""

import json
import os
import pty
import subprocess
import sys

import pytest

from tests.kumiai.conftest import LAB, ROOT

KUMIAI = [sys.executable, "-m", "kumiai"]


def run(*arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    command = [*KUMIAI, *map(str, arguments)]
    return subprocess.run(command, env=environment, timeout=120, check=False, **{"capture_output": True, **options})


@pytest.mark.parametrize("arguments", [["check", LAB, "--json"], ["--help"]], ids=["check", "help"])
def test_a_reader_that_goes_away_is_no_traceback(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    done = run(*arguments, stdout=writer, stderr=subprocess.PIPE, capture_output=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_full_disk_behind_stdout_is_one_line(as_json):
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = run("check", LAB, *as_json, stdout=full, stderr=subprocess.PIPE, capture_output=False)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1].startswith("書き込めません（")
    assert b"Traceback" not in done.stderr


def test_a_terminal_without_japanese_costs_characters_only():
    done = run("check", LAB, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"})
    assert done.returncode == 0
    assert done.stdout.startswith(b"\\u5224\\u5b9a")


def test_a_file_name_that_is_no_text_is_one_line():
    done = run("check", os.fsdecode(b"\xff\x1b[31m.yaml"))
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"\x1b" not in done.stderr


def test_control_characters_of_a_folder_do_not_steer_the_terminal(lab_plan):
    path = lab_plan / "layout.json"
    layout = json.loads(path.read_text(encoding="utf-8"))
    layout["hosts"][0]["model"] = layout["vms"][0]["host"] = "\x1b[31mred\x07\u202e[bold]x[/nothing]"
    path.write_text(json.dumps(layout), encoding="utf-8")
    done = run("license", "count", path)
    assert done.returncode == 2
    assert b"[31mred" in done.stderr
    assert b"[bold]x[/nothing]" in done.stderr
    assert b"\x1b" not in done.stderr + done.stdout


def test_a_terminal_sees_japanese_progress_and_stdout_stays_clean(tmp_path):
    terminal, child = pty.openpty()
    command = [*KUMIAI, "plan", str(LAB), "-o", str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=child) as process:
        os.close(child)
        seen = b""
        try:
            while piece := os.read(terminal, 65536):
                seen += piece
        except OSError:  # the other end is closed
            os.close(terminal)
        out = process.stdout.read().decode()
    assert process.returncode == 0
    assert out.startswith("判定：適合 — ")
    assert "\x1b" not in out
    text = seen.decode()
    assert "独立検査" in text
    assert "\x1b[2J" not in text  # never clears the screen
    assert "\x1b[?25h" in text  # the cursor is back
    # One line of progress: no movement over several lines.
    assert "\x1b[2A" not in text
