"""Every process of a deployment, and libvirtd, killed with SIGKILL, and the proof that recovery is needed.

One laboratory for the file; a test leaves everything built.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from infra.deployment import deploy
from infra.recovery import leftovers, recovery, turns
from tests.faults import soak
from tests.faults.stand import SITE, TARGETS, TENANT, standing

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("lab")]

FAILED = 1
TRIES = 5
MOMENTS = 10
AGAIN = ("--start", "none", "--stack", TENANT)
FORGETFUL = {
    "settle": lambda *_: None,
    "_clear_answering": lambda *_: None,
    "_suspects": lambda record, _: record.pending | record.broken,
    "end_orphans": lambda _: (),
}


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Before anything was built; the first test builds it."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_HOME"):
            patch.delenv(name, raising=False)
        with standing(tmp_path_factory.mktemp("kills")) as ready:
            yield ready


@pytest.fixture
def stand(bare):
    """With everything built, also for a test that runs alone."""
    if not bare.seen:
        bare.recover("--start", "all")
        bare.wait_for_counters()
    return bare


@pytest.fixture
def removed(monkeypatch):
    """Takes a part of the recovery away, for deployments in this process."""
    monkeypatch.setattr(leftovers, "SHUTDOWN_S", 5.0)
    return monkeypatch


def here(stand):
    """The same deployment in this process, where parts can be taken away."""
    return deploy.deploy(
        stand.plan.path, state=stand.state, domain_type="qemu", uris=stand.uris, start="none", stacks=[TENANT],
        deadline_s=300,
    )  # fmt: skip


def kill_half_made(stand, strike, moment, wanted=lambda: True):
    """Strikes at the moment; then a VM is there that the record knows not, and what is wanted.

    The moment is read off the record, libvirt's files and the host's processes. Where the VM is made all the same
    before the blow lands, it is made once more.
    """
    vm = stand.vms[0]
    for _ in range(TRIES):
        stand.unmake([vm])
        code = stand.strike(strike, moment, "--start", vm, "--stack", TENANT)
        turns.end_orphans(stand.state)
        if vm in stand.left_over() and wanted():
            assert code != 0
            return
        stand.recover(*AGAIN)
    pytest.fail(f"the blow came too late, {TRIES} times")


def without(removed, part, name, stand, match):
    """The same deployment without that part of the recovery: it must fail."""
    with removed.context() as patch:
        patch.setattr(part, name, FORGETFUL[name])
        with pytest.raises(deploy.DeployError, match=match):
            here(stand)


def test_the_first_deployment_of_all_killed_while_pools_are_made(bare):
    assert bare.interrupt("engine", lambda: bare.pending(SITE, "pool"))
    said = bare.recover("--start", "all")
    assert "ロックを外しました" in said
    bare.wait_for_counters()


def test_the_engine(stand, removed):
    vm = stand.vms[0]
    kill_half_made(stand, lambda process: stand.kill(process, "engine"), lambda: stand.half_made(vm))
    with removed.context() as patch:
        patch.setattr(recovery, "mend", lambda *_: None)
        without(removed, recovery, "settle", stand, "currently locked")
    without(removed, recovery, "_clear_answering", stand, "already exists")
    said = stand.recover(*AGAIN)
    assert "作りかけの" in said


def test_the_provider(stand, removed):
    """The engine lives on and records a failure without any pending operation: only the intent knows."""
    vm = stand.vms[0]
    kill_half_made(stand, lambda process: stand.kill(process, "provider"), lambda: stand.half_made(vm))
    assert not stand.record(TENANT).untidy
    without(removed, recovery, "_suspects", stand, "already exists")
    said = stand.recover(*AGAIN)
    assert "作りかけの" in said


def test_libvirtd_while_a_guest_begins_to_run(stand, removed):
    """The next libvirtd ends a guest that it finds half started; its definition stays."""
    vm = stand.vms[0]
    kill_half_made(
        stand, lambda _: stand.kill_libvirtd(stand.host_of(vm)), lambda: stand.half_made(vm) and stand.guests(vm)
    )
    without(removed, recovery, "_suspects", stand, "already exists")
    said = stand.recover(*AGAIN)
    assert "作りかけの" in said


def test_libvirtd_before_a_guest_begins_to_run(stand):
    """It has forked and not yet told the child to go on: no libvirtd after it lets go of the VM again."""
    vm = stand.vms[0]
    kill_half_made(
        stand,
        lambda _: stand.kill_libvirtd_before_it_runs(vm),
        lambda: stand.pending(TENANT, "domain"),
        lambda: stand.stuck() == [vm],
    )
    said = stand.deploy(*AGAIN, code=FAILED)
    assert f"rm /run/libvirt/qemu/{vm}.xml" in said
    assert stand.host_of(vm) in said
    stand.let_go(vm)
    said = stand.recover(*AGAIN)
    assert "作りかけの" in said


@pytest.mark.parametrize("target", ["program", "language host"])
def test_the_program_and_its_host(stand, target):
    """While something is being made: the program waits for its id, so it is there to be killed."""
    stand.unmake(stand.vms[:2])
    killed = []
    code = stand.strike(
        lambda process: killed.extend(stand.kill(process, target)), lambda: stand.pending(TENANT), *AGAIN
    )
    assert killed
    assert code == FAILED, stand.said()
    stand.recover(*AGAIN)


def test_the_deployment_itself(stand, removed):
    """Its engine goes on alone; the next deployment must end it first, or two would work on one stack."""
    stand.unmake(stand.vms)
    engines = []

    def strike(process):
        # Held, so that it certainly outlives the deployment; it hears no interrupt either.
        engines.extend(pid for pid, name in stand.programs().items() if name == TARGETS["engine"])
        for pid in engines:
            os.kill(pid, signal.SIGSTOP)
        stand.kill(process, "kumiai")

    assert stand.strike(strike, lambda: stand.pending(TENANT), *AGAIN) == -signal.SIGKILL
    assert engines
    without(removed, turns, "end_orphans", stand, "別の pulumi が実行中")
    said = stand.recover(*AGAIN)
    assert "プロセスを終了しました" in said
    assert not set(engines) & set(stand.programs())


def test_ten_random_moments_and_the_counters_go_on(stand):
    """Kumiai, engine, programs, providers: all at once, as when the engineer's machine loses its power."""
    before = stand.require_counters()
    assert set(before) == set(stand.vms)
    stand.boot(before)
    stand.unmake(stand.vms)  # what stands as planned is only looked at, which takes less
    begun = time.monotonic()
    stand.recover(*AGAIN)
    whole_s = time.monotonic() - begun
    seed = int(os.environ.get("KUMIAI_SEED") or time.time())
    done = number = 0
    while done < MOMENTS:  # one that comes after the end is none
        number += 1
        assert number < 3 * MOMENTS
        hits, told, seconds = soak.round_of(stand, soak.sudden(seed, number, stand.vms, whole_s))
        print(f"KUMIAI_SEED={seed}", *told, f"{seconds:.1f} s", sep="\n")  # noqa: T201 - to be known when it fails
        done += hits
    stand.recover("--start", "none")
    stand.boot(stand.require_counters())
