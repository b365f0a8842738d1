"""One simulation of a sweep: what arrives wrong is refused, and nothing escapes as an exception."""

import dataclasses
import threading

import pytest

from capacity.sweep import plans, reader, subject, task
from capacity.sweep.records import Failed, Finished


@pytest.fixture
def one(write_scenarios):
    """A plan and a task for it."""
    sweep = reader.read_sweep(write_scenarios())
    return sweep.scenarios[0].plan, reader.tasks(sweep)[0]


def test_equal_input_gives_equal_bytes_in_any_thread(one):
    found = []
    threads = [threading.Thread(target=lambda: found.append(task.run(*one))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert isinstance(found[0], Finished)
    assert found == [task.run(*one)] * 2


def test_another_version_is_refused(one):
    plan, wanted = one
    refused = task.run(plan, dataclasses.replace(wanted, version="0" * 64))
    assert refused == Failed("実行する側の kumiai かライブラリの版が、依頼した側と違います。同じ版をそろえてください")


def test_a_plan_that_changed_on_its_way_is_refused(one, monkeypatch):
    plan, wanted = one
    monkeypatch.setattr(plans, "_open", {})
    name, data = plan.files[2]
    files = tuple((other, content) for other, content in plan.files if other != name)
    changed = dataclasses.replace(plan, files=(*files, (name, data + b"x")))
    assert isinstance(task.run(changed, wanted), Failed)
    assert task.run(dataclasses.replace(plan, digest="0"), wanted) == Failed(
        "届いた計画が、依頼した計画と違います（ダイジェストの不一致）"
    )


def test_a_fault_of_the_program_keeps_its_traceback(one, monkeypatch):
    def broken(_folder, _settings):
        raise KeyError("missing")

    monkeypatch.setattr(subject, "simulate", broken)
    failed = task.run(*one)
    assert failed.reason == "プログラムの誤りです（KeyError: 'missing'）"
    assert "in broken" in failed.traceback
