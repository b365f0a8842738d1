"""The change of the fiscal year on the laboratory: rules that fail half-way, the switch itself, and its secrets."""

from __future__ import annotations

import json
import threading
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from layout import folder
from tests import centre
from tests.centre import Centre
from tests.processes import watched_argv

pytestmark = pytest.mark.e2e

EXAMPLE = centre.ROOT / "examples" / "lab"
PLANTED = "planted-passphrase-77ab1e"
OLD_VM, NEW_VM = "kadogawa-resident-registry-ap-01", "aya-resident-registry-ap-01"
HOSTS = ("lab01", "lab02")


@dataclass
class Year:
    """The laboratory with this year's plan built and next year's plan beside it."""

    standing: Centre
    following: Path

    def rules(self, host: str) -> tuple[str, str]:
        """The packet rules of a host and its bridges, as they are now."""
        rules = self.standing.ssh(host, "nft -s list ruleset").stdout
        assert "table bridge kumiai" in rules
        return rules, self.standing.ssh(host, "ip -oneline link show type bridge | cut -d: -f2 | sort").stdout


def written(folder_: Path, *, next_year: bool) -> Path:
    """One tenant of the example with two systems; in the year after it a second tenant joins with one."""
    folder_.mkdir()
    (folder_ / "catalogue.yaml").write_text((EXAMPLE / "catalogue.yaml").read_text())
    text = (EXAMPLE / "estate.yaml").read_text()
    aya, kadogawa, licences = (text.index(word) for word in ("  - id: aya\n", "  - id: kadogawa\n", "licences:\n"))
    flows, policy = text.index("flows:\n"), text.index("policy:\n")
    tenants = text[kadogawa:licences].rstrip() + "\n    systems: {only: [resident-registry, document-management]}\n\n"
    if next_year:
        joining = text[aya:kadogawa].partition("    systems:")[0]
        tenants = f"{joining}    systems: {{only: [resident-registry]}}\n{tenants}"
    text = text[:aya] + tenants + text[licences:flows] + text[policy:]
    site, host = (next(line for line in text.splitlines() if words in line) for words in ("{id: lab,", '"lab{01..02}"'))
    text = text.replace(
        site, f"{site}\n  - {{id: backup, role: backup, name: 遠隔地, latitude: 35.4, longitude: 139.6}}"
    )
    text = text.replace(
        host, f"{host}\n{host.replace('lab{01..02}', 'bk{01..01}').replace('site: lab', 'site: backup')}"
    )
    if next_year:
        text = text.replace("fiscal_year: 2027", "fiscal_year: 2028")
        text = text.replace("from: 2027-05-03, until: 2027-05-31", "from: 2028-05-01, until: 2028-05-29")
    (folder_ / "estate.yaml").write_text(text)
    return folder_ / "estate.yaml"


@pytest.fixture(scope="module")
def year(tmp_path_factory):
    root = tmp_path_factory.mktemp("year")
    with centre.started(root, estate=written(root / "now", next_year=False)) as standing:
        secrets = standing.state / "secrets" / "kadogawa"
        secrets.mkdir(parents=True)
        (secrets / "passphrase").touch(0o600)
        (secrets / "passphrase").write_text(PLANTED + "\n")
        standing.deploy("--start", "none")
        estate = written(root / "next", next_year=True)
        done = standing.kumiai("plan", estate, "-o", root / "following", "--keep", standing.plan)
        assert done.returncode == 0, done.stdout + done.stderr
        yield Year(standing, root / "following")


def test_rules_that_fail_half_way_are_taken_back_on_every_host(year):
    """On lab02 somebody's own tunnel has the number of the new tenant's network: the rules are in, the tunnel fails."""
    standing = year.standing
    before = {host: year.rules(host) for host in HOSTS}
    network = next(each for each in folder.read(year.following).layout.networks if each.tenant == "aya")
    wires = json.loads((standing.lab.state_dir / "uplinks.json").read_text())["hosts"]["lab02"]
    foreign = f"ip link add foreign type vxlan id {network.vni} dstport 4789 local {wires['address']}"
    made = standing.ssh("lab02", f"{foreign} dev {wires['device']}")
    assert made.returncode == 0, made.stderr
    try:
        failed = standing.runbook("apply-network", plan=year.following)
        assert failed.returncode == 1, failed.stdout + failed.stderr
        assert "逆の順に元へ戻します" in failed.stderr
        assert {host: year.rules(host) for host in HOSTS} == before
    finally:
        standing.ssh("lab02", "ip link delete foreign")
    record = standing.kumiai("runbook", "journal", "--state", standing.state, "--json")
    (run,) = [each for each in json.loads(record.stdout)["runs"] if each["runbook"] == "apply-network"]
    assert (run["outcome"], set(run["hosts"]) >= set(HOSTS)) == ("failed", True)
    kinds = [json.loads(line) for line in (standing.state / "journal" / "journal.jsonl").read_text().splitlines()]
    assert [each["step"] for each in kinds if each["kind"] == "rolled_back"] == ["hosts@lab02", "hosts@lab01"]
    clean = standing.kumiai("drift", standing.plan, "--lab", "--state", standing.state)
    assert clean.returncode == 0 or "ネットワークの設定" not in clean.stdout, clean.stdout


def test_the_year_is_switched_and_nothing_secret_comes_out(year):
    standing = year.standing
    secrets = standing.state / "secrets"
    texts: list[str] = []
    seen: set[bytes] = set()
    stop = threading.Event()
    watch = threading.Thread(target=watched_argv, args=(stop, seen))
    watch.start()
    try:
        for vm in folder.read(standing.plan).layout.vms:
            saved = standing.runbook("backup-vm", vm=vm.id)
            assert saved.returncode == 0, saved.stdout + saved.stderr
            texts += [saved.stdout, saved.stderr]
        looked = standing.runbook("year-switch", "--dry-run", plan=year.following, old=standing.plan)
        assert looked.returncode == 0, looked.stdout + looked.stderr
        assert {host: NEW_VM in standing.virsh(host, "list", "--all") for host in HOSTS} == dict.fromkeys(HOSTS, False)
        done = standing.runbook("year-switch", plan=year.following, old=standing.plan)
        assert done.returncode == 0, done.stdout + done.stderr
        turned = standing.runbook("rotate-keys", plan=year.following, tenant="kadogawa")
        assert turned.returncode == 0, turned.stdout + turned.stderr
        texts += [each for run in (looked, done, turned) for each in (run.stdout, run.stderr)]
        rendered = standing.kumiai("report", year.following, "--format", "html,xlsx")
        assert rendered.returncode == 0, rendered.stdout + rendered.stderr
        told = standing.kumiai("runbook", "journal", "--state", standing.state, "--tenant", "kadogawa")
        texts += [rendered.stdout, rendered.stderr, told.stdout]
    finally:
        stop.set()
        watch.join()

    # In force: the new tenant stands, and every stack says that it was built from the new plan.
    assert standing.place(NEW_VM) in HOSTS
    records = [
        json.loads(path.read_text()) for path in (standing.state / "stacks" / ".pulumi" / "stacks").rglob("*.json")
    ]
    outputs = [each.get("outputs") or {} for record in records for each in record["checkpoint"]["latest"]["resources"]
               if each["type"] == "pulumi:pulumi:Stack"]  # fmt: skip
    digest = folder.read(year.following).layout_digest
    assert [each["layout_digest"] for each in outputs] == [digest] * 4
    assert "year-switch（下見）  下見のみ" in told.stdout

    needles = [PLANTED.encode()]
    for path in secrets.rglob("*"):
        if path.is_file() and path.name in {"passphrase", "id_ed25519"}:
            lines = path.read_bytes().split(b"\n")
            needles.append(max(lines[1:-2], key=len) if len(lines) > 3 else lines[0])
    assert len(needles) >= 5
    assert any(b"pulumi" in each for each in seen)
    assert any(b"qemu-img" in each or b"virsh" in each for each in seen)
    report = [path for path in (year.following / "report").rglob("*") if path.is_file()]
    assert {path.suffix for path in report} >= {".html", ".xlsx"}
    for needle in needles:
        assert not [each for each in seen if needle in each]
        assert needle.decode() not in "\n".join(texts)
        for path in (*standing.state.rglob("*"), *report):
            if path.is_file() and not path.is_relative_to(secrets):
                assert not [part for part in contents(path) if needle in part], path


def contents(path: Path) -> list[bytes]:
    """The bytes of a file; of a workbook, those of its parts."""
    if path.suffix != ".xlsx":
        return [path.read_bytes()]
    with zipfile.ZipFile(path) as book:
        return [book.read(name) for name in book.namelist()]
