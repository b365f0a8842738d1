"""`kumiai deploy`: what it hands to the deployment, and how it answers."""

from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner

from infra.deployment import deploy as building
from infra.deployment.deploy import DeployError, DeployResult, StackResult
from infra.judgement import Plan
from infra.refusal import RefusalError
from kumiai import deploy
from kumiai.terminal import FAILURE, MALFORMED, UNFIT, RefusedError
from tests.infra import plans


def invoke(*words):
    app = typer.Typer()
    deploy.register(app)
    result = CliRunner().invoke(app, list(words))
    if isinstance(result.exception, RefusedError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """What the deployment was asked; it answers that all is well."""
    plan = plans.write(tmp_path / "plan")
    calls = []

    def pretend(path, **options):
        calls.append((path, options))
        judged = Plan(plan.path, plan.layout, plan.layout_digest)
        return DeployResult(judged, (StackResult("hosts-dc", 16, 0, 0, 1, 9.5), StackResult("t00", 0, 0, 0, 18, 4.0)))

    monkeypatch.setattr(building, "deploy", pretend)
    return calls


def test_the_first_line_answers_the_question(asked, tmp_path):
    lines = invoke(str(tmp_path / "plan"), "--state", str(tmp_path / "state")).splitlines()
    assert lines[0] == "判定：構築済み — スタック 2、仮想サーバ 3 台（変更 16 件、直後の pulumi preview に差分なし）"
    assert lines[1] == "  hosts-dc  作成 16、更新 0、削除 0、変更なし 1（9.5 秒）"
    ((path, options),) = asked
    assert path == tmp_path / "plan"
    assert (options["state"], options["domain_type"], options["uris"]) == (tmp_path / "state", "kvm", None)


def test_json_is_one_document(asked, tmp_path):
    document = json.loads(invoke(str(tmp_path / "plan"), "--json"))
    assert document["format_version"] == "1.0"
    assert document["generation"] == 1
    assert [stack["name"] for stack in document["stacks"]] == ["hosts-dc", "t00"]


def test_the_laboratory_is_found_by_its_folder(asked, tmp_path, monkeypatch):
    monkeypatch.setenv("KUMIAI_LAB", str(tmp_path / "lab"))
    with pytest.raises(RefusedError, match="検証環境が動いていません") as caught:
        invoke("plan", "--lab")
    assert caught.value.exit_code == FAILURE
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "uris.json").write_text("{}")
    invoke("plan", "--lab")
    assert asked[0][1]["uris"] == tmp_path / "lab" / "uris.json"
    assert asked[0][1]["domain_type"] == "qemu"
    with pytest.raises(RefusedError, match="同時に使えません"):
        invoke("plan", "--lab", "--uris", "x.json")


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (RefusalError("適合しない", unfit=True), UNFIT, 1),
        (RefusalError("使い方"), MALFORMED, 1),
        (DeployError("t00：失敗\n  domain"), FAILURE, 2),
    ],
)
def test_refusals_become_lines_and_exit_codes(monkeypatch, error, code, lines):
    def refuse(path, **options):
        raise error

    monkeypatch.setattr(building, "deploy", refuse)
    with pytest.raises(RefusedError) as caught:
        invoke("plan")
    assert caught.value.exit_code == code
    assert len(caught.value.lines) == lines


def test_a_plan_that_does_not_fit_is_refused_before_the_engine_is_asked(tmp_path):
    unfit = plans.write(tmp_path / "unfit", fits=False)
    with pytest.raises(RefusedError, match="適合しない計画") as caught:
        invoke(str(unfit.path), "--state", str(tmp_path / "state"))
    assert caught.value.exit_code == UNFIT
    assert not (tmp_path / "state").exists()
