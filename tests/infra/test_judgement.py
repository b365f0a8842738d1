"""A plan is judged once for one content, and again for any other."""

from __future__ import annotations

import json

import pytest

from infra import judgement
from infra.refusal import RefusalError
from layout import FolderError
from tests.infra import plans


@pytest.fixture
def judged(monkeypatch, tmp_path):
    """Judges a folder with a place for verdicts, and counts how often that was done in full."""
    times = []
    real = judgement._judge

    def counted(path):
        times.append(path)
        return real(path)

    monkeypatch.setattr(judgement, "_judge", counted)

    def judge(path):
        found = judgement.judged(path, {judgement.VARIABLE: str(tmp_path / "verdicts")})
        return found, len(times)

    return judge


def test_the_second_time_the_verdict_is_known(judged, tmp_path):
    plan = plans.write(tmp_path / "plan")
    first, times = judged(plan.path)
    assert (first.layout, first.layout_digest, times) == (plan.layout, plan.layout_digest, 1)
    assert judged(plan.path) == (first, 1)


def test_the_same_content_elsewhere_has_the_same_verdict(judged, tmp_path):
    judged(plans.write(tmp_path / "a").path)
    again = plans.write(tmp_path / "b")
    found, times = judged(again.path)
    assert (found.path, times) == (again.path, 1)


@pytest.mark.parametrize("name", judgement.FILES)
def test_every_file_counts(judged, tmp_path, name):
    plan = plans.write(tmp_path / "plan")
    judged(plan.path)
    (plan.path / name).write_bytes((plan.path / name).read_bytes() + b" ")
    try:
        _, times = judged(plan.path)
    except (FolderError, RefusalError):
        return
    assert times == 2


def test_every_judge_counts(judged, tmp_path, monkeypatch):
    plan = plans.write(tmp_path / "plan")
    judged(plan.path)
    monkeypatch.setattr(judgement, "JUDGES", (*judgement.JUDGES, "infra/refusal.py"))
    assert judged(plan.path)[1] == 2


def test_a_refusal_is_not_kept(judged, tmp_path):
    plan = plans.write(tmp_path / "plan", fits=False)
    for _ in range(2):
        with pytest.raises(RefusalError):
            judged(plan.path)
    assert not (tmp_path / "verdicts").exists()


def test_a_verdict_speaks_of_the_layout_that_is_read(judged, tmp_path):
    plan = plans.write(tmp_path / "plan")
    judged(plan.path)
    (verdict,) = (tmp_path / "verdicts").iterdir()
    verdict.write_text(json.dumps({"layout_digest": "0" * 64}))
    assert judged(plan.path)[1] == 2


def test_without_a_place_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.delenv(judgement.VARIABLE, raising=False)
    plan = plans.write(tmp_path / "plan")
    assert judgement.judged(plan.path).layout == plan.layout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plan"]
