"""How long `kumiai deploy` takes for every VM of the pilot, on a laboratory of its 16 hosts; none is started.

`python -m benchmarks pilot-deploy`, or `python -m benchmarks.pilot_deploy DIR` for a plan folder that exists. Needs
root, as the laboratory does. Goals on 2 idle cores: 1 s per VM, 5 s for a preview of one tenant that finds nothing to
do, 3 GiB in all. Wall time is what a person waits; CPU time is told too, because it hardly depends on what else runs.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from layout.layout_file import read_layout

from .process_tree import TreeMeasured, idle_cores, measure_tree

HOUSE = Path(__file__).parents[1]
PILOT = HOUSE / "examples" / "pilot" / "estate.yaml"
VM_GOAL_S, PREVIEW_GOAL_S, MEMORY_GOAL_GIB = 1.0, 5.0, 3.0
NOT_OURS = ("PULUMI_", "KUMIAI_", "PYTHONDONTWRITEBYTECODE")


def main(plan: Path | None = None) -> None:
    """Plans the pilot unless a folder is given, deploys it on a laboratory, and prints a row per step."""
    with tempfile.TemporaryDirectory(prefix="kumiai-pilot-deploy-") as work:
        folder = Path(work)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(NOT_OURS)}
        environment = clean | {"KUMIAI_LAB": str(folder / "lab"), "PYTHONPATH": str(HOUSE)}
        kumiai = (sys.executable, "-m", "kumiai")
        if plan is None:
            plan = folder / "plan"
            subprocess.run([*kumiai, "plan", str(PILOT), "-o", str(plan)], env=environment, cwd=HOUSE, check=True)
        layout = read_layout(plan)
        largest = Counter(vm.tenant for vm in layout.vms).most_common(1)[0][0]
        table = Table(title=f"{len(layout.vms)} VMs, {len(layout.hosts)} hosts; {idle_cores():.1f} cores idle before")
        for column in ("step", "wall s", "s per VM", "cpu s", "cpu s per VM", "peak GiB", "exit", "goal"):
            table.add_column(column, justify="left" if column in {"step", "goal"} else "right")

        def row(step: str, goal: str, done: TreeMeasured, vms: int) -> None:
            each = (f"{done.wall_s / vms:.2f}", f"{done.cpu_s:.1f}", f"{done.cpu_s / vms:.2f}")
            table.add_row(step, f"{done.wall_s:.1f}", *each, f"{done.peak_gib:.2f}", str(done.exit_code), goal)

        subprocess.run([*kumiai, "lab", "up", "--plan", str(plan)], env=environment, cwd=HOUSE, check=True)
        try:
            deploy = (*kumiai, "deploy", str(plan), "--lab", "--start", "none")
            both = f"{VM_GOAL_S:.0f} s per VM, {MEMORY_GOAL_GIB:.0f} GiB"
            row("deploy", both, measure_tree(deploy, environment, HOUSE), len(layout.vms))
            row("deploy again", "", measure_tree(deploy, environment, HOUSE), len(layout.vms))
            exports = subprocess.run(
                [*kumiai, "deploy", "--env", "--stack", largest, "--lab"],
                env=environment, cwd=HOUSE, capture_output=True, text=True, check=True,
            ).stdout  # fmt: skip
            by_hand = environment | dict(_pairs(exports))
            project = folder / "lab" / "pulumi" / "project"
            vms = sum(vm.tenant == largest for vm in layout.vms)
            for words in (("preview",), ("preview", "--refresh")):
                command = ("pulumi", *words, "--expect-no-changes", "--stack", largest, "--non-interactive")
                row(
                    " ".join((*words, largest)), f"{PREVIEW_GOAL_S:.0f} s", measure_tree(command, by_hand, project), vms
                )
        finally:
            subprocess.run([*kumiai, "lab", "down"], env=environment, cwd=HOUSE, check=True)
        Console(width=120).print(table)


def _pairs(exports: str) -> list[tuple[str, str]]:
    """Names and values of `export NAME=VALUE` lines."""
    words = [shlex.split(line)[1] for line in exports.splitlines()]
    return [(name, value) for name, _, value in (word.partition("=") for word in words)]


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None)
