"""`python -m tests.faults.struck_runner FILE WORDS...`: `kumiai WORDS...`, killed once in every step that it begins.

FILE keeps which steps were struck in earlier runs, so that runs that resume each other get as far as the next step. It
is killed by SIGKILL, at moments in turn: while the step's command works, when that has ended and nobody wrote it down
yet, and when it is proven but not recorded as done.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from pathlib import Path

from runbooks.running.journal import Entry, Journal

WORKING, ENDED, PROVEN = "working", "ended", "proven"
MOMENTS = (WORKING, ENDED, PROVEN)
WITHIN_A_COMMAND_S = 0.4

_append = Journal.append


def step_of(key: str) -> str:
    """The step of a key in the journal, whatever it is done to: once is enough for one that is done to every disk."""
    return re.sub(r"\[[^\]]*\]", "", key)


def strike(file: Path) -> None:
    """From here on the journal kills this process, once in every step."""
    known = file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []
    struck = dict(line.split("\t") for line in known)
    moment = MOMENTS[len(struck) % len(MOMENTS)]
    aim: list[str] = []

    def die() -> None:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(f"{aim[0]}\t{moment}\n")
        os.kill(os.getpid(), signal.SIGKILL)

    def append(journal: Journal, kind: str, run: str, **said: object) -> Entry:
        step = step_of(str(said.get("step", "")))
        if kind == "step_begun" and step not in struck and not aim:
            aim.append(step)
        aimed = bool(aim) and step == aim[0]
        applying = aimed and said.get("phase") == "apply"
        if (moment == ENDED and applying and kind == "result") or (moment == PROVEN and aimed and kind == "step_done"):
            die()
        entry = _append(journal, kind, run, **said)
        if moment == WORKING and applying and kind == "command":
            threading.Timer(WITHIN_A_COMMAND_S, die).start()
        if moment == WORKING and applying and kind == "result":
            die()  # it was quicker than that
        return entry

    Journal.append = append  # type: ignore[method-assign]


if __name__ == "__main__":
    strike(Path(sys.argv[1]))
    sys.argv = ["kumiai", *sys.argv[2:]]
    from kumiai.main import run

    run()
