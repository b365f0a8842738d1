"""The command `kumiai`: groups the commands and turns expected errors into lines and exit codes.

Rooms are imported inside their commands, so that `--help` and small commands start at once.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

import typer

from layout.errors import FolderError

from . import deploy, estate_files, lab, licences, plan, report, simulate
from .terminal import FAILURE, INTERRUPTED, MALFORMED, RefusedError, tell

app = typer.Typer(
    name="kumiai",
    help="組合: 自治体クラウドの計画、ライセンス、構築。",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
estate_files.register(app)
plan.register(app)
simulate.register(app)
licences.register(app)
report.register(app)
deploy.register(app)
lab.register(app)


class _Interrupted(BaseException):
    """Ctrl-C. Not KeyboardInterrupt, which Typer would turn into exit code 1."""


def run() -> None:
    """Entry point of the installed command."""
    sys.exit(guarded())


def guarded() -> int:
    """Runs the command line; returns its exit code. Only bugs leave as exceptions."""
    signal.signal(signal.SIGINT, _interrupt)
    try:
        app()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else FAILURE
    except RefusedError as refusal:
        for line in refusal.lines:
            tell(line)
        return refusal.exit_code
    except FolderError as error:
        tell(str(error))
        return MALFORMED
    except _Interrupted:
        tell("中断しました。書きかけの結果はありません。")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe went away (`kumiai … | head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise _Interrupted
