"""A fault where the networks are isolated: what recovery makes anew the rules let through, and nothing else."""

from __future__ import annotations

import pytest

from infra.deployment import deploy
from infra.recovery import recovery, turns
from tests.faults.stand import FOREIGN, TENANT, standing

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("lab")]

ALONE = ("--stack", TENANT, "--start", "all")


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        for name in FOREIGN:
            patch.delenv(name, raising=False)
        with standing(tmp_path_factory.mktemp("segmented"), segmented=True) as ready:
            ready.recover("--start", "all")
            yield ready


def test_an_engine_killed_on_isolated_networks(stand, monkeypatch):
    vm = stand.vms[0]
    before = {each: stand.wait_until_it_answers(each) for each in stand.vms}
    for _ in range(5):
        stand.unmake([vm])
        assert stand.interrupt("engine", lambda: stand.half_made(vm), *ALONE)
        turns.end_orphans(stand.state)
        if vm in stand.left_over():
            break
        stand.recover(*ALONE)
    else:
        pytest.fail("the blow came too late, five times")
    with monkeypatch.context() as patch:
        patch.setattr(recovery, "_clear_answering", lambda *_: None)
        with pytest.raises(deploy.DeployError, match="already exists"):
            deploy.deploy(
                stand.plan.path, state=stand.state, domain_type="qemu", uris=stand.uris, stacks=[TENANT], deadline_s=300
            )
    said = stand.recover(*ALONE)
    assert "作りかけの" in said
    for each in stand.vms:
        assert stand.wait_until_it_answers(each) >= before[each]
    assert "判定：差分なし" in stand.in_lab("drift", stand.plan.path)
