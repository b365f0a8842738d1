"""Runs the Pulumi engine as a program of its own, with a deadline, and reads what it did from its event log."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools import build
from tools.installation import engine_env
from tools.tenant_secrets import PASSPHRASE, SecretsError, stack_secrets

HOUSE = Path(__file__).resolve().parents[1]
REPORT_S = 10.0
POLL_S = 0.2  # how soon an engine hears that the deployment was interrupted
GRACE_S = 20.0  # how long an interrupted engine may take to write its state and let go of its lock
PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
HINTS = (
    (
        "marked for protection",
        "動いている仮想サーバや、そのディスクを作り直す変更です。運用手順書で行ってください"
        "（kumiai drift が、違う項目と運用手順書の名前を示します）",
    ),
    (
        "already exists",
        "前に途中で止まった作成の残りかもしれません。"
        "kumiai deploy をもう一度実行すると、残りの名前と片付け方を示します",
    ),
    (
        "currently locked",
        "別の pulumi が動いています。動いていなければ pulumi cancel で解除してください",
    ),
    (
        "failed to connect",
        "ホストに接続できません。URI と libvirtd を確かめてください",
    ),
    (
        "no changes were expected",
        "実機がプログラムや記録と違います。手での変更や、消えた仮想サーバがないか確かめてください"
        "（pulumi preview --refresh --diff で見られます）",
    ),
)
_MARKUP = re.compile(r"<\{%.*?%\}>")
_NOISE = re.compile(
    r"^(update failed|preview failed|an unhandled error occurred:.*|\d+ errors? occurred:|sdk-v2/provider2\.go.*"
    r"|as it is currently marked for protection.*|<.*|)$"
)


class EngineError(Exception):
    """The engine cannot be used, or failed. The message is Japanese; the engine's own lines follow."""


@dataclass(frozen=True)
class Outcome:
    """What one run of the engine did."""

    returncode: int
    changes: dict[str, int]
    """Kind of change (create, update, same, …) to number of resources, of the last phase that ran."""
    errors: tuple[str, ...]
    """The engine's error lines, each once, with the name of the resource before it."""
    unfinished: tuple[str, ...]
    """`type name (provider)` of what was begun and never ended."""
    timed_out: bool
    seconds: float
    log: Path
    events: Path
    """The engine's own account of this run, an event a line; the next run of its kind writes over it."""


@dataclass(frozen=True)
class Engine:
    """A project folder, the environment of its programs, and where their output goes."""

    project: Path
    environment: Mapping[str, str]
    logs: Path
    halt: threading.Event = field(default_factory=threading.Event)
    """When set, every run of this engine is interrupted as by Ctrl-C and raises KeyboardInterrupt."""

    def command(self, *arguments: str, deadline_s: float = 60.0) -> str:
        """A short command of the engine; answers what it printed. Raises EngineError when it fails."""
        try:
            done = subprocess.run(
                ["pulumi", *arguments, "--non-interactive", "--color", "never"],
                cwd=self.project,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=deadline_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EngineError(f"pulumi {' '.join(arguments[:2])} が {deadline_s:.0f} 秒で終わりません") from None
        if done.returncode != 0:
            lines = readable(done.stderr.splitlines()) or readable(done.stdout.splitlines())
            raise EngineError("\n".join((f"pulumi {' '.join(arguments[:2])} が失敗しました", *explained(lines))))
        return done.stdout

    def run(
        self, stack: str, *arguments: str, deadline_s: float, tell: Callable[[int, float], None] | None = None
    ) -> Outcome:
        """`up`, `preview` and the like on a stack. It is interrupted at the deadline, and when we are.

        Every 10 seconds `tell` hears how many resources are done, and after how many seconds.
        """
        name = f"{stack}-{arguments[0]}"
        self.logs.mkdir(parents=True, exist_ok=True)
        events, log = self.logs / f"{name}.events", self.logs / f"{name}.log"
        events.unlink(missing_ok=True)
        command = ["pulumi", *arguments, "--stack", stack, "--non-interactive", "--color", "never"]
        command += ["--event-log", str(events)]
        begun = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=self.project,
                # The switch shows the option --event-log, as Pulumi's own Automation API uses it.
                env={**self.environment, "PULUMI_DEBUG_COMMANDS": "true"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Its own session: Ctrl-C reaches the engine once, from us, and what is left can be ended as a group.
                start_new_session=True,
            )
            try:
                timed_out = not self._ended(process, begun, deadline_s, _reporting(events, tell))
                if timed_out:
                    self._stop(process, stack)
            except BaseException:
                self._stop(process, stack)
                raise
        seconds = time.monotonic() - begun
        return _outcome(process.returncode, events, log, timed_out=timed_out, seconds=seconds)

    def _ended(
        self, process: subprocess.Popen[bytes], begun: float, deadline_s: float, report: Callable[[float], None]
    ) -> bool:
        """Waits for the process; False when its deadline passed. Raises KeyboardInterrupt when halted."""
        told = begun
        while True:
            now = time.monotonic()
            try:
                process.wait(max(0.0, min(POLL_S, begun + deadline_s - now)))
            except subprocess.TimeoutExpired:
                if self.halt.is_set():
                    raise KeyboardInterrupt from None
                if now >= begun + deadline_s:
                    return False
                if now - told >= REPORT_S:
                    told = now
                    report(now - begun)
            else:
                return True

    def _stop(self, process: subprocess.Popen[bytes], stack: str) -> None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            # The lock that is left is that of the process we have just ended.
            self.command("cancel", "--yes", "--stack", stack)


def environment(state: Path) -> dict[str, str]:
    """The environment for Pulumi with its state below `state`. The user's own backend and passphrase stay as they are.

    Raises EngineError, also where this machine has no engine yet.
    """
    installation = build.find(os.environ)
    if installation is None:
        raise EngineError("Pulumi がまだビルドされていません。make tools を実行してください")
    try:
        return {**os.environ, **engine_env(installation, state, Path(sys.executable), os.environ)}
    except (OSError, SecretsError) as error:
        raise EngineError(f"状態フォルダーを使えません：{error}") from None


def with_secrets(environment: Mapping[str, str], state: Path, stack: str) -> dict[str, str]:
    """The environment with the stack's own passphrase; makes the stack's secrets where there are none.

    A passphrase that the user chose, outside of the state's folder, is kept. Raises EngineError.
    """
    try:
        folder = stack_secrets(state, stack)
    except SecretsError as error:
        raise EngineError(str(error)) from None
    named = environment.get(PASSPHRASE_FILE)
    if "PULUMI_CONFIG_PASSPHRASE" in environment or (named and not Path(named).is_relative_to(state)):
        return dict(environment)
    return {**environment, PASSPHRASE_FILE: str(folder / PASSPHRASE)}


def project(state: Path) -> Path:
    """A project folder below `state` that runs this program, so that stack settings do not litter the source tree."""
    folder = state / "project"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(HOUSE / "Pulumi.yaml", folder / "Pulumi.yaml")
    program = folder / "infra"
    if not program.is_symlink() or program.readlink() != HOUSE / "infra":
        program.unlink(missing_ok=True)
        program.symlink_to(HOUSE / "infra")
    return folder


def readable(lines: Iterable[str]) -> tuple[str, ...]:
    """Error lines of the engine without markup, repetition and those that say nothing."""
    kept: dict[str, None] = {}
    for line in lines:
        text = _MARKUP.sub("", line).strip().removeprefix("error:").strip().removeprefix("* ").strip()
        text = text.partition(" -   <")[0]
        if not _NOISE.match(text):
            kept[text] = None
    return tuple(kept)


def explained(lines: Sequence[str], limit: int = 8) -> tuple[str, ...]:
    """Error lines, indented, the first of them; then what to do about those that are known."""
    if any(line.startswith("Traceback") for line in lines):
        limit = len(lines)  # a mistake in the program: nobody can do anything with a part of it
    more = (f"  ほか {len(lines) - limit} 行",) if len(lines) > limit else ()
    hints = tuple(hint for sign, hint in HINTS if any(sign in line for line in lines))
    return (*(f"  {line}" for line in lines[:limit]), *more, *hints)


def _reporting(events: Path, tell: Callable[[int, float], None] | None) -> Callable[[float], None]:
    def report(seconds: float) -> None:
        if tell is not None and events.exists():
            tell(events.read_bytes().count(b'"resOutputsEvent":{'), seconds)

    return report


def _read(path: Path) -> list[dict[str, Any]]:
    events = []
    if path.exists():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                events.append(json.loads(line))
            except ValueError:
                break  # the last line of an engine that was killed
    return events


def _outcome(returncode: int, account: Path, log: Path, *, timed_out: bool, seconds: float) -> Outcome:
    changes: dict[str, int] = {}
    errors: list[str] = []
    open_: dict[str, str] = {}
    for event in _read(account):
        if (begun := event.get("resourcePreEvent")) is not None:
            about = begun["metadata"]
            host = str(about.get("provider") or "").split("::")[-2:-1]
            open_[about["urn"]] = f"{about['type'].split(':')[-1]} {_name(about['urn'])}（{''.join(host)}）"
        elif (ended := event.get("resOutputsEvent") or event.get("resOpFailedEvent")) is not None:
            open_.pop(ended["metadata"]["urn"], None)
        elif (summary := event.get("summaryEvent")) is not None:
            changes = dict(summary.get("resourceChanges") or {})
            open_.clear()
        elif (message := event.get("diagnosticEvent")) is not None and message.get("severity") == "error":
            errors += _lines(message)
    if returncode != 0 and not errors:
        text = log.read_text(encoding="utf-8", errors="replace").splitlines()
        errors += readable(line for line in text if line.strip().startswith("error:"))
    told = tuple(dict.fromkeys(errors))
    return Outcome(returncode, changes, told, tuple(open_.values()), timed_out, seconds, log, account)


def _lines(message: Mapping[str, Any]) -> list[str]:
    urn = str(message.get("urn") or "")
    name = "" if not urn or "pulumi:pulumi:Stack" in urn else f"{_name(urn)}: "
    text = str(message["message"])
    if "marked for protection" in text:
        # The engine spreads this over two lines and advises to lift the protection.
        return [f"{name}unable to replace or delete: marked for protection"]
    return [f"{name}{line}" for line in readable(text.splitlines())]


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]
