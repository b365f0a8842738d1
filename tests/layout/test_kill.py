"""A writer that is killed at any moment leaves the old folder, none, or the new one: complete in every case."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from layout import checkers, folder
from tests.layout import builder

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from layout import folder
source, destination = Path(sys.argv[1]), Path(sys.argv[2])
contents = folder.read(source)
print("ready", flush=True)
generation = int(sys.argv[3])
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
        command = [sys.executable, "-c", WRITER, str(source), str(destination), str(generation)]
        with subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout.readline() == "ready\n"
            time.sleep(rng.uniform(0.0, 0.15))
            writer.send_signal(signal.SIGKILL)
            finished = [int(line) for line in writer.stdout.read().split()]
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
