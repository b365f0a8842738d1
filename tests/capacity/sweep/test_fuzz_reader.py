"""Hostile scenario files: a sweep or clear lines, never anything else."""

import json
from functools import lru_cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capacity.sweep import plans, reader
from capacity.sweep.records import Sweep
from estate import EstateErrors
from tests.capacity.sweep.conftest import SCENARIOS

FRAGMENTS = (
    *("axes:", "seeds:", "settings:", "scenarios:", "plans:", "format:", "seed", "name", "week", "load_factor"),
    *("[", "]", "{", "}", "- ", ": ", "\n", "  ", '"', "'", "&a ", "*a", "!!str ", "<<: ", "---", "#", "\t", "\x00"),
    *("null", "true", "1e400", ".nan", "-1", "9" * 30, "2027-06-01", "tightest", "日田", "\u202e", "x" * 300),
)
pieces = st.lists(st.tuples(st.integers(0, len(SCENARIOS)), st.integers(0, 6), st.sampled_from(FRAGMENTS)), max_size=4)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(FRAGMENTS)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)
fields = st.sampled_from(("load_factor", "week", "replications", "seed", "host_failure", "name", "x"))
documents = st.fixed_dictionaries(
    {"format": st.just(1) | values, "plans": st.just(["plan"]) | values},
    optional={
        "settings": st.dictionaries(fields, values, max_size=3) | values,
        "axes": st.dictionaries(fields, st.lists(values, max_size=3), max_size=3) | values,
        "scenarios": st.lists(st.dictionaries(fields, values, max_size=3), max_size=3) | values,
        "seeds": st.lists(st.integers(), max_size=3) | values,
    },
)  # fmt: skip


@pytest.fixture
def answer(write_scenarios, monkeypatch):
    """A function: the text's sweep, or the lines of its refusal."""
    pack = lru_cache(plans.pack)
    path = write_scenarios()
    monkeypatch.setattr(reader.plans, "pack", pack)

    def read(text):
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            return reader.read_sweep(path)
        except EstateErrors as errors:
            refusal = errors
        lines = [str(problem) for problem in refusal.problems]
        assert lines
        assert all(line.startswith(f"{path}:") and line.isprintable() for line in lines)
        return refusal

    return read


QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(pieces)
def test_mutilated_files(answer, edits):
    text = SCENARIOS
    for place, removed, inserted in edits:
        text = text[:place] + inserted + text[place + removed :]
    assert isinstance(answer(text), Sweep | EstateErrors)


@QUICK
@given(documents)
def test_files_of_the_right_shape_with_any_values(answer, document):
    found = answer(json.dumps(document))
    if isinstance(found, Sweep):
        assert len({scenario.name for scenario in found.scenarios}) == len(found.scenarios)
