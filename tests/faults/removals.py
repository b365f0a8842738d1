"""Takes what answers each fault out of a copy of the project, one after the other: its test must fail there.

    python -m tests.faults.removals [--only WORDS]

A test that passes all the same proves nothing about that code. The cases are data (tests/cases/faults/removals.yaml).
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from estate import yaml_reader

ROOT = Path(__file__).resolve().parents[2]
CASES = ROOT / "tests" / "cases" / "faults" / "removals.yaml"
TEST_S = 1200


@dataclass(frozen=True)
class Removal:
    """`find` stands once in `file` and is replaced by `put`; then `test` is to fail.

    Where a test goes on from others of its file, these run before it (`after`), and must pass all the same.
    """

    fault: str
    file: str
    find: str
    put: str
    test: str
    after: list[str] = field(default_factory=list)

    @property
    def tests(self) -> list[str]:
        """What pytest is to run, in this order."""
        file, _, _ = self.test.partition("::")
        return [*(f"{file}::{name}" for name in self.after), self.test]

    def without(self, text: str) -> str:
        """The file's text without that code. Raises ValueError where it is not there exactly once."""
        if text.count(self.find) != 1:
            raise ValueError(f"{self.file}: {text.count(self.find)} times: {self.find}")
        return text.replace(self.find, self.put)


def removals() -> list[Removal]:
    """The cases in their order."""
    root, problems = yaml_reader.read(CASES)
    assert problems == []
    return [Removal(**case) for case in root.data()]


def copied(destination: Path) -> None:
    """The project's files as they are now, without what is built of them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, destination / name)


def outcomes(report: Path) -> list[tuple[str, bool]]:
    """The tests of a JUnit report: name, and whether it failed in its own body, not while it was set up."""
    cases = ElementTree.parse(report).iter("testcase")  # noqa: S314 - pytest's own
    return [(case.get("name", "").partition("[")[0], case.find("failure") is not None) for case in cases]


def proven(removal: Removal, project: Path) -> tuple[bool, str]:
    """Whether the test fails in a copy without that code, and what it said at its end."""
    path = project / removal.file
    whole = path.read_text(encoding="utf-8")
    report = project / "removal.xml"
    report.unlink(missing_ok=True)
    path.write_text(removal.without(whole), encoding="utf-8")
    try:
        said = _pytest(removal.tests, report, project)
    finally:
        path.write_text(whole, encoding="utf-8")
    failed = [name for name, failing in (outcomes(report) if report.exists() else []) if failing]
    lines = [line for line in said.splitlines() if line.startswith("E  ")] or said.splitlines()[-3:]
    return failed == [removal.test.partition("::")[2]], " ".join(" ".join(lines[:3]).split())[:200]


def _pytest(tests: Sequence[str], report: Path, project: Path) -> str:
    """Runs tests in that copy of the project; answers what it printed. One that does not end is interrupted."""
    options = ("-q", "-n", "0", "-m", "e2e or not e2e", "-x", f"--junitxml={report}")
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *tests], cwd=project, env=os.environ | {"PYTHONPATH": str(project)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as running:  # fmt: skip
        try:
            return running.communicate(timeout=TEST_S)[0]
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGINT)  # it takes its laboratory down
            return running.communicate()[0]
        except KeyboardInterrupt:
            running.send_signal(signal.SIGINT)
            running.communicate()
            raise


def run(chosen: Iterable[Removal]) -> int:
    """Tries the removals; answers how many tests passed all the same."""
    unproven = 0
    with tempfile.TemporaryDirectory(prefix="kumiai-removals-") as folder:
        project = Path(folder)
        copied(project)
        for removal in chosen:
            begun = time.monotonic()
            shown, said = proven(removal, project)
            unproven += not shown
            word = "外すと失敗" if shown else "外しても通る"
            sys.stdout.write(f"{word}  {removal.fault}（{time.monotonic() - begun:.0f} 秒）：{said}\n")
            sys.stdout.flush()
    sys.stdout.write(f"判定：{'失敗' if unproven else '合格'} — 外しても通る試験 {unproven} 件\n")
    return unproven


def main() -> int:
    """Runs the command: 0 when every test failed without its code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.removals", description=__doc__)
    parser.add_argument("--only", help="the faults whose description has these words")
    words = parser.parse_args().only
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    chosen = [each for each in removals() if words is None or words in each.fault]
    if not chosen:
        parser.error(f"no such fault: {words}")
    return 1 if run(chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
