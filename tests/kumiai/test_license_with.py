"""`kumiai license count --with`."""

from __future__ import annotations

import json

import pytest

import estate as what_exists
import planning
from layout import folder
from layout.records import Layout
from tests.kumiai.conftest import ROOT

CENTRE = ROOT / "examples" / "centre"
VM = "hyuga-resident-tax-ap-01"


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """The small data centre with a product that counts vCPUs, of which two are held."""
    root = tmp_path_factory.mktemp("license-with")
    catalogue = (CENTRE / "catalogue.yaml").read_text(encoding="utf-8")
    tax = catalogue.index("  resident-tax:")
    products = "products: [{rule: sraoss-powergres.os}]"
    changed = products.replace(
        "}]", "}, {rule: microsoft-sql-server.core-per-vm, options: {edition: standard, software_assurance: true}}]"
    )
    catalogue = catalogue[:tax] + catalogue[tax:].replace(products, changed, 1)
    (root / "catalogue.yaml").write_text(catalogue, encoding="utf-8")
    estate = (CENTRE / "estate.yaml").read_text(encoding="utf-8")
    held = "  - {id: sql, rule: microsoft-sql-server.core-per-vm, quantity: 4, mobility: true, source: 例として仮定}\n"
    (root / "estate.yaml").write_text(estate.replace("\nflows:", f"{held}\nflows:"), encoding="utf-8")
    planning.plan(what_exists.load(root / "estate.yaml"), root / "plan")
    return root / "plan"


def test_a_change_within_what_is_held_is_fine(ask, plan):
    before = sorted(path.name for path in plan.iterdir())
    answer = ask("license", "count", plan, "--with", f"{VM}.vcpu=4")
    assert (answer.code, answer.out.splitlines()[0]) == (0, "判定：適合 — この変更による新たな違反はありません")
    assert sorted(path.name for path in plan.iterdir()) == before


def test_a_change_beyond_is_refused_and_only_on_its_days(ask, plan):
    answer = ask("license", "count", plan, "--with", f"{VM}.vcpu=8@2027-05-10/2027-05-20", "--json")
    assert answer.code == 3
    (found,) = answer.document["new_violations"]
    assert (found["vm"], found["needed"], found["held"]) == (VM, 8, 4)
    assert found["from"].startswith("2027-05-10")
    assert found["until"].startswith("2027-05-20")
    assert json.dumps(answer.document, ensure_ascii=False).count("判定") == 2


def test_another_place_is_compared_with_where_it_is_now(ask, plan):
    answer = ask("license", "count", plan, "--with", f"{VM}.host=lab03", "--baseline", f"{VM}.host=lab02")
    assert answer.code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--with", "nobody.vcpu=4"), "計画にありません"),
        (("--with", f"{VM}.vcpu"), "読めません"),
        (("--baseline", f"{VM}.host=lab03"), "--with と一緒に"),
        (("--with", f"{VM}.vcpu=4", "--as-of", "yesterday"), "日付が正しくありません"),
    ],
)
def test_mistakes_are_told(ask, plan, words, said):
    answer = ask("license", "count", plan, *words)
    assert answer.code == 2
    assert said in answer.err


def test_what_the_plan_itself_intends_is_measured_against_what_runs_now(ask, plan, tmp_path):
    """A plan may hold a busy season beyond the licences; carrying it out is refused all the same."""
    layout = json.loads((plan / "layout.json").read_text(encoding="utf-8"))
    vm = next(each for each in layout["vms"] if each["id"] == VM)
    vm["vcpu_max"] = 8
    busy = {"from": "2027-05-10T00:00:00+09:00", "until": "2027-05-20T00:00:00+09:00", "vcpu": 8}
    vm["vcpu_changes"] = [busy]
    estate = json.loads((plan / "estate.json").read_text(encoding="utf-8"))
    del estate["format_version"]  # of the document, not of the record
    next(each for each in estate["vms"] if each["id"] == VM)["vcpu_changes"] = [busy]
    contents = folder.read(plan)
    changed = folder.FolderContents(
        estate=type(contents.estate).model_validate_json(json.dumps(estate)),
        layout=Layout.model_validate_json(json.dumps(layout)),
        runs=contents.runs,
        online=contents.online,
        profile=contents.profile,
        run=contents.run,
    )
    folder.write(tmp_path / "busy", changed)
    wish = f"{VM}.vcpu=8@2027-05-10/2027-05-20"
    assert ask("license", "count", tmp_path / "busy", "--with", wish).code == 0
    assert ask("license", "count", tmp_path / "busy", "--with", wish, "--baseline", f"{VM}.vcpu=1").code == 3
