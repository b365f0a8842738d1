"""The command `kumiai`: groups the commands and turns expected errors into lines and exit codes."""

from __future__ import annotations

import os
import sys

import typer
from layout.folder import FolderError

from estate import EstateErrors
from licensing import LicensingError

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


def run() -> None:
    """Entry point of the installed command."""
    sys.exit(guarded())


def guarded() -> int:
    """Runs the command line; returns its exit code. Only bugs leave as exceptions."""
    try:
        app()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else FAILURE
    except EstateErrors as errors:
        for problem in errors.problems:
            tell(str(problem))
        return errors.exit_code
    except RefusedError as refusal:
        for line in refusal.lines:
            tell(line)
        return refusal.exit_code
    except (FolderError, LicensingError) as error:
        tell(str(error))
        return MALFORMED
    except KeyboardInterrupt:
        tell("中断しました。何も書き込んでいません。")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe went away (`kumiai … | head`): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    return 0
