"""What a plan made with `--keep` changes, for the procedures that put it into force.

`python -m runbooks.plan_changes DIR [--tenant ID]` lists what stands in the way, one Japanese line each, and exits 1
where there is anything: changes that a runbook of their own must carry out first; with `--tenant`, also every change of
somebody else's. `--standing` prints instead the VMs of the plan that stand already, one a line.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from layout import FolderError, folder
from layout.folder import PlanFolder
from layout.records import ChangeRecord

HARMLESS = ("time", "flow", "image")
"""Kinds that change no VM that stands."""
BY_THEMSELVES = ("", "add-tenant", "apply-network")
"""Runbooks that the calling procedure is, or calls."""


def in_the_way(plan: PlanFolder, tenant: str | None = None) -> Iterator[str]:
    """Why the plan cannot be put into force now; nothing where it can."""
    if not plan.layout.lineage:
        yield "今の計画を引き継いでいません。kumiai plan … --keep 今の計画 で作ってください"
        return
    if plan.run.changes_count > len(plan.run.changes):
        yield f"変更が多すぎて、全部は記録されていません（{plan.run.changes_count} 件）。いくつかの計画に分けてください"
    own = _own(plan, tenant)
    for change in plan.run.changes:
        if change.kind in HARMLESS:
            continue
        if change.runbook not in BY_THEMSELVES and change.change != "added":
            yield f"先に手順書 {change.runbook} を実行してください：{_told(change)}"
        elif tenant is not None and change.subject not in own:
            yield f"団体「{tenant}」のほかの変更があります：{_told(change)}"


def standing(plan: PlanFolder) -> list[str]:
    """The VMs that the plan has from the one before it, in its order: those that it adds are not there yet."""
    added = {change.subject for change in plan.run.changes if (change.kind, change.change) == ("vm", "added")}
    return [vm.id for vm in plan.layout.vms if vm.id not in added]


def _own(plan: PlanFolder, tenant: str | None) -> frozenset[str]:
    layout = plan.layout
    vms = {vm.id for vm in layout.vms if vm.tenant == tenant}
    disks = {disk.name for vm in layout.vms if vm.tenant == tenant for disk in vm.disks}
    return frozenset({str(tenant)} | vms | disks | {each.id for each in layout.networks if each.tenant == tenant})


def _told(change: ChangeRecord) -> str:
    moved = f"（{change.before} → {change.after}）" if change.before or change.after else ""
    what = f" の {change.what}" if change.what else ""
    return f"{change.subject}{what}{moved} {change.reason}"


def main(arguments: Sequence[str] | None = None) -> int:
    """What the runbooks call. Answers the exit code."""
    parser = argparse.ArgumentParser(prog="python -m runbooks.plan_changes", description="計画の変更の妨げ")
    parser.add_argument("plan", type=Path)
    parser.add_argument("--tenant")
    parser.add_argument("--standing", action="store_true")
    chosen = parser.parse_args(arguments)
    try:
        plan = folder.read(chosen.plan)
        if chosen.standing:
            sys.stdout.write("".join(f"{name}\n" for name in standing(plan)))
            return 0
        found = list(in_the_way(plan, chosen.tenant))
    except FolderError as error:
        found = [str(error)]
    sys.stderr.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
