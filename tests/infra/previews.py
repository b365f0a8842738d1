"""Makes the documents of tests/cases/infra/guard with the real engine: `python -m tests.infra.previews [NAME…]`.

It needs what the end-to-end tests need. A laboratory is built, a plan is deployed to it, and each case previews an
edited plan or an edited program. Paths of this machine are replaced, times are set to nothing.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import lab
from infra.deployment import by_hand, deploy
from layout.folder import PlanFolder
from tests.infra import plans

CASES = Path(__file__).resolve().parents[1] / "cases" / "infra" / "guard"
HOUSE = Path(__file__).resolve().parents[2]
DEPLOYED, PLANNED = "d" * 64, "e" * 64
"""In the documents, for the digests of the deployed layout and of the case's own: new fields change both."""
PROGRAM = '''"""The project's program with edits of one case: what somebody might write into it."""
import json, os, sys
sys.path.insert(0, {house!r})
import pulumi
from infra import admission, program
case = json.loads(os.environ["KUMIAI_CASE"])
if not case.get("refuse"):
    for name in ("require_sound", "require_not_older", "require_in_place", "require_lineage"):
        setattr(admission, name, lambda *words, **more: None)
edits = {{edit["resource"]: edit for edit in case.get("program", [])}}
def edited(args):
    edit = edits.get(args.name)
    if edit is None or not args.type_.startswith("libvirt:index/"):
        return None
    for name, value in edit.get("properties", {{}}).items():
        args.props[name] = value
    if "append_xslt" in edit:
        args.props["xml"] = {{"xslt": args.props["xml"]["xslt"] + edit["append_xslt"]}}
    for name, value in edit.get("options", {{}}).items():
        setattr(args.opts, name, value)
    return pulumi.ResourceTransformationResult(args.props, args.opts)
pulumi.runtime.register_stack_transformation(edited)
program.main()
'''


def cases() -> list[dict[str, Any]]:
    """The cases as data: what is edited, and what the guard is to say of it."""
    found: list[dict[str, Any]] = json.loads((CASES / "cases.json").read_text(encoding="utf-8"))
    return found


def edit_layout(layout: dict[str, Any], edit: dict[str, Any]) -> None:
    """Applies the `plan` part of a case to a layout's JSON."""
    vms, networks = layout["vms"], layout["networks"]
    for vm in vms:
        vm.update(edit.get("vms", {}).get(vm["id"], {}))
        vm["disks"] = [disk for disk in vm["disks"] if disk["name"] not in edit.get("remove_disks", [])]
        for disk in vm["disks"]:
            disk.update(edit.get("disks", {}).get(disk["name"], {}))
    if "add_vm" in edit:
        more = dict(edit["add_vm"])
        pattern = more.pop("like")
        like = next(vm for vm in vms if vm["id"] == pattern)
        vms.append(json.loads(json.dumps(like).replace(like["id"], more["id"])) | more)
    if "rename_vm" in edit:
        before, after = edit["rename_vm"]
        layout["vms"] = vms = json.loads(json.dumps(vms).replace(before, after))
    layout["vms"] = [vm for vm in vms if vm["id"] not in edit.get("remove_vms", [])]
    for position, network in (("FIRST", networks[0]), ("LAST", networks[-1])):
        network.update(edit.get("networks", {}).get(position, {}))
        if position in edit.get("remove_networks", []):
            networks.remove(network)
    for host in layout["hosts"]:
        for pool in host["pools"]:
            pool.update(edit.get("pools", {}).get(host["id"], {}))
        if host["id"] in edit.get("remove_pools", []):
            host["pools"] = []


def edited_plan(path: Path, case: dict[str, Any]) -> PlanFolder:
    """The plan of a case: the deployed one with the case's edits, kept from it."""
    edit = json.loads(json.dumps(case.get("plan", {})))
    return plans.write(path, lambda layout: edit_layout(layout, edit), tenants=1, generation=2)


def document(name: str, plan: PlanFolder) -> bytes:
    """A recorded document, as the engine would print it for that edited plan."""
    text = (CASES / name).read_text(encoding="utf-8")
    return text.replace(DEPLOYED, plan.layout.lineage[-1]).replace(PLANNED, plan.layout_digest).encode()


class Recorder:
    """A laboratory with a deployed plan, and the folders of cases."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.base = plans.write(root / "plan", tenants=1)
        self.lab = lab.up(root / "lab", plan=self.base.path, bridges=True, progress=print)
        deploy.deploy(self.base.path, state=root / "state", domain_type="qemu", uris=self.lab.uris_file, progress=print)

    def record(self, case: dict[str, Any], *, streaming: bool = False) -> str:
        """The document of a case, scrubbed."""
        folder = self.root / case["name"]
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.root / "state" / "project", folder, symlinks=True)
        (folder / "infra").unlink()
        (folder / "infra").mkdir()
        (folder / "infra" / "__main__.py").write_text(PROGRAM.format(house=str(HOUSE)), encoding="utf-8")
        plan = edited_plan(folder / "plan", case)
        uris = {host: self.lab.uris[case.get("uris", {}).get(host, host)] for host in self.lab.uris}
        (folder / "uris.json").write_text(json.dumps(uris), encoding="utf-8")
        (folder / "images").symlink_to(self.root / "lab" / "images")
        stack = case.get("stack", "t00")
        variables = by_hand.engine_environment(self.root / "state", stack) | {"KUMIAI_CASE": json.dumps(case)}
        if streaming:
            variables["PULUMI_ENABLE_STREAMING_JSON_PREVIEW"] = "true"
        if case.get("fresh") or case.get("unprotect"):
            before = Path(variables["PULUMI_BACKEND_URL"].removeprefix("file://"))
            variables["PULUMI_BACKEND_URL"] = f"file://{folder / 'backend'}"
            if case.get("fresh"):
                (folder / "backend").mkdir()
                for each in folder.glob("Pulumi.*.yaml"):
                    each.unlink()
                self._pulumi(folder, variables, "stack", "init", stack)
            else:
                shutil.copytree(before, folder / "backend")
                self._pulumi(folder, variables, "state", "unprotect", "--all", "--yes", "--stack", stack)
        words = [*case.get("words", ["preview"]), "--json", "--stack", stack]
        for setting in (f"plan={plan.path}", f"uris={folder / 'uris.json'}", "domain_type=qemu"):
            words += ["--config", setting]
        told = {str(folder): "/srv/case", str(self.root): "/srv"}
        told |= {self.base.layout_digest: DEPLOYED, plan.layout_digest: PLANNED}
        return scrub(self._pulumi(folder, variables, *words), told)

    def _pulumi(self, folder: Path, variables: dict[str, str], *words: str) -> str:
        done = subprocess.run(
            ["pulumi", *words, "--non-interactive", "--color", "never"], cwd=folder, text=True, check=False,
            env=variables, capture_output=True, timeout=300,
        )  # fmt: skip
        return done.stdout


def scrub(text: str, paths: dict[str, str]) -> str:
    """The document without this machine's paths, its times, and where in Python a resource was declared."""
    for before, after in paths.items():
        text = text.replace(before, after)
    text = re.sub(r"/run/kumiai-lab-[0-9a-f]+", "/run/lab", text)
    text = re.sub(r"/[\w/]*/kumiai-seeds-[A-Za-z0-9_]+", "/srv/seeds", text)
    if text.lstrip().startswith('{"sequence"'):
        return "".join(json.dumps(_bare(json.loads(line)), ensure_ascii=False) + "\n" for line in text.splitlines())
    return json.dumps(_bare(json.loads(text)), ensure_ascii=False, indent=1) + "\n"


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: 0 if key in {"created", "modified", "timestamp", "duration", "durationSeconds"} else _bare(part)
            for key, part in value.items()
            if key not in {"sourcePosition", "stackTrace", "__meta"}
        }
    return [_bare(part) for part in value] if isinstance(value, list) else value


def main(names: list[str]) -> None:
    """Records the named cases, or all."""
    root = Path(tempfile.mkdtemp(prefix="kumiai-previews-"))
    try:
        recorder = Recorder(root)
        for case in cases():
            if not names or case["name"] in names:
                (CASES / f"{case['name']}.json").write_text(recorder.record(case), encoding="utf-8")
                sys.stdout.write(f"{case['name']}\n")
                if case.get("streaming"):
                    text = recorder.record(case, streaming=True)
                    (CASES / f"{case['name']}.ndjson").write_text(text, encoding="utf-8")
    finally:
        lab.down(root / "lab")
        shutil.rmtree(root)


if __name__ == "__main__":
    main(sys.argv[1:])
