"""The command `kumiai`: turns expected errors into lines and exit codes.

Rooms are imported inside their commands, so that `--help` and small commands start at once; even the libraries of the
command line are imported only after Ctrl-C is provided for.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from io import TextIOWrapper
from types import FrameType

FAILURE, MALFORMED, INTERRUPTED = 1, 2, 130  # as in `terminal`, whose import must wait
_NOBODY_CAN_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
_NOBODY_CAN_OPEN = (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP)
"""What a path that the user named may meet before any file is opened."""


class _Interrupted(BaseException):
    """Ctrl-C. Not KeyboardInterrupt, which Typer would turn into exit code 1."""

    happened = False


def run() -> None:
    """Entry point of the installed command."""
    sys.unraisablehook = _again_later
    sys.exit(guarded())


def guarded() -> int:
    """Runs the command line; returns its exit code. Only bugs leave as exceptions."""
    _Interrupted.happened = False
    try:
        signal.signal(signal.SIGINT, _interrupt)
        code = _explained()
        # What is done is done: a late Ctrl-C changes nothing any more.
        _deaf()
    except (_Interrupted, Exception):
        # A Ctrl-C while a compiled module is imported arrives as that module's ImportError.
        if not _Interrupted.happened:
            raise
        _deaf()
        sys.stderr.write("中断しました。書きかけの結果はありません。\n")
        code = INTERRUPTED
    return code


def _explained() -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal or file name that is not UTF-8 costs a character, not the command.
            stream.reconfigure(errors="backslashreplace")
    from layout.errors import FolderError

    from .groups import app
    from .terminal import RefusedError, tell, tell_all, tell_what_rooms_say

    tell_what_rooms_say()
    try:
        code = _code(app)
        sys.stdout.flush()
    except RefusedError as refusal:
        tell_all(refusal.lines)
        return refusal.exit_code
    except FolderError as error:
        tell(str(error))
        return MALFORMED
    except MemoryError:
        tell("メモリーが足りません")
        return FAILURE
    except BrokenPipeError:
        # The reader of a pipe went away (`kumiai … | head`): nobody is left to tell.
        _forget_output()
        return FAILURE
    except OSError as error:
        if error.errno in _NOBODY_CAN_OPEN and error.filename is not None:
            tell(f"{os.fsdecode(error.filename)[:200]}: 開けません（{error.strerror}）")
            return MALFORMED
        if error.errno not in _NOBODY_CAN_WRITE:
            raise
        _forget_output()
        tell(f"書き込めません（{error.strerror}）")
        return FAILURE
    return code


def _code(app: Callable[..., object]) -> int:
    from typer.exceptions import TyperException

    from .terminal import tell
    from .usage import sentence

    try:
        answer = app(prog_name="kumiai", standalone_mode=False)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else FAILURE if stop.code else 0
    except TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            tell(str(error.args[0]))
        else:
            tell(sentence(error))
        return MALFORMED
    return answer if isinstance(answer, int) else 0


def _forget_output() -> None:
    """What is still buffered goes nowhere, so that closing stdout does not fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    _Interrupted.happened = True
    raise _Interrupted


def _again_later(dropped: sys.UnraisableHookArgs) -> None:
    """A Ctrl-C that fell into a callback, whose exceptions Python drops, comes again a moment later."""
    if dropped.exc_type is _Interrupted:
        signal.signal(signal.SIGALRM, _interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    else:
        sys.__unraisablehook__(dropped)


def _deaf() -> None:
    """From here on no Ctrl-C counts."""
    for number in (signal.SIGINT, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
