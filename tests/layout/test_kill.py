"""A writer that is killed at any moment leaves the old folder, none, or the new one: complete in every case.

The moments are counted in calls of fsync, not in time: the kill falls into a write on fast and on slow machines.
"""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from layout import checkers, folder
from tests.layout import builder

ROOT = Path(__file__).parents[2]
WRITER = """
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from layout import folder
source, destination = Path(sys.argv[1]), Path(sys.argv[2])
contents = folder.read(source)
generation, calls_left, fsync = int(sys.argv[3]), int(sys.argv[4]), os.fsync

def fatal_fsync(descriptor):
    global calls_left
    calls_left -= 1
    if calls_left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)

os.fsync = fatal_fsync
while True:
    generation += 1
    layout = contents.layout.model_copy(update={"generation": generation})
    folder.write(destination, replace(contents, layout=layout))
    print(generation, flush=True)
"""


def test_twenty_kills_leave_complete_folders(tmp_path):
    rng = random.Random(20)  # noqa: S311  (moments, not secrets)
    source = folder.write(tmp_path / "source", builder.Builder(days=3).contents()).path
    destination = tmp_path / "out" / "plan"
    generation, orphans = 1, 0
    for _ in range(20):
        calls = str(rng.randint(1, 30))
        command = [sys.executable, "-c", WRITER, str(source), str(destination), str(generation), calls]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        writer = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
        assert writer.returncode == -signal.SIGKILL
        finished = [int(line) for line in writer.stdout.split()]
        if destination.parent.exists():
            orphans += sum(entry.name.startswith(".plan.kumiai-") for entry in destination.parent.iterdir())
        if not destination.exists():
            assert not finished
            continue
        left = folder.read(destination)
        # What was reported as written is there, or the one after it.
        assert left.layout.generation - (finished[-1] if finished else generation) in {0, 1}
        assert left.layout_digest == left.run.layout_digest
        assert left.runs.num_rows == left.run.runs
        generation = left.layout.generation
    assert orphans > 0, "no kill fell into a write: the test shows nothing"
    assert generation > 5
    folder.write(destination, left)
    assert [entry.name for entry in destination.parent.iterdir()] == ["plan"]
    assert all(verdict.passed for verdict in checkers.check(folder.read(destination)))
