"""From the example estate to its results, as a person types it."""

import os
import subprocess
import sys

from layout import checkers, folder, results
from tests.kumiai.conftest import ROOT


def test_new_check_plan_simulate_and_count(tmp_path):
    def kumiai(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "kumiai", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[0]

    assert kumiai("new", "mine", "--from", "lab") == "作成しました：mine/estate.yaml"
    assert kumiai("check", "mine/estate.yaml") == "判定：誤りはありません"
    assert kumiai("plan", "mine/estate.yaml", "-o", "out").startswith("判定：適合 — ")
    assert kumiai("simulate", "out", "--replications", "3").startswith("判定：遅れなし — ")
    assert kumiai("license", "count", "out").startswith("判定：適合 — ")
    assert kumiai("report", "out").startswith("判定：適合 — ")
    plan = folder.read_planned(tmp_path / "out")
    assert all(verdict.passed for verdict in checkers.check(plan))
    assert "licences.json" in results.result_names(plan)
    assert any(name.startswith("simulation/") for name in results.result_names(plan))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "out"]
