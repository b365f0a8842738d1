"""Ctrl-C belongs to the process: the solver neither swallows it nor changes what it does afterwards."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.planning.random_estate import estate as random_estate

# In a process of its own: a solver that takes Ctrl-C for itself leaves it to kill the process.
SCRIPT = """
import signal, sys
from pathlib import Path
import estate
from capacity import levelling, online, runs
from capacity.levelling import search
told, solved = [], []
signal.signal(signal.SIGINT, lambda *_: told.append("Ctrl-C"))
solve = search.cp_model.CpSolver.solve
def interrupted(solver, *arguments):
    solved.append(solve(solver, *arguments))
    signal.raise_signal(signal.SIGINT)
    return solved[-1]
search.cp_model.CpSolver.solve = interrupted
resolved = estate.load(Path(sys.argv[1]))
found, load = runs.generate(resolved), online.table(resolved)
before = levelling.earliest(found, load)
levelling.level(found, load, seed=0, progress=lambda step, share: None, time_limit_s=20.0, before=before)
print(len(solved), len(told))
"""


def test_the_solver_leaves_ctrl_c_alone(tmp_path):
    document, catalogue = random_estate(6)
    (tmp_path / "estate.yaml").write_text(json.dumps(document), encoding="utf-8")
    (tmp_path / "catalogue.yaml").write_text(json.dumps(catalogue), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "estate.yaml")],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    solved, told = map(int, done.stdout.split())
    assert solved == told > 0
