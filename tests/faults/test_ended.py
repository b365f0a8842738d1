"""Whether an update ended well is told by what was written down before it."""

from __future__ import annotations

import pytest

from infra.recovery import checkpoint, intent, recovery
from infra.recovery.intent import Intent


@pytest.fixture
def ground(tmp_path):
    return recovery.Ground(running=None, state=tmp_path, layout=None, layout_digest="d1", uris={})


def test_a_stack_that_was_never_updated_has_nothing_open(ground):
    assert recovery.ended(ground, "t00")


def test_an_update_that_was_to_make_something_is_open_until_it_is_closed(ground):
    absent = frozenset({checkpoint.Thing("kvm01", "domain", "", "t00-s00-ap-01")})
    intent.write(ground.state, Intent("t00", "d1", 1, absent, {"t00-s00-ap-01": "52:54:00:00:00:01"}))
    assert not recovery.ended(ground, "t00")
    assert recovery.ended(ground, "t01")
    intent.close(ground.state, "t00")
    assert recovery.ended(ground, "t00")


def test_an_update_that_only_changed_something_leaves_the_record_before_it(ground):
    kept = ground.kept("t00")
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    assert not recovery.ended(ground, "t00")
    kept.unlink()
    assert recovery.ended(ground, "t00")
