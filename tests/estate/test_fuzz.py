"""Whatever a file holds: an estate, or problems with their places. Never another exception."""

import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from estate import check
from estate.catalogue_records import Catalogue
from estate.records import EstateFile
from estate.schema import json_schema

CASES = Path(__file__).parents[1] / "cases" / "estate"
ESTATE = (CASES / "minimal.yaml").read_text(encoding="utf-8")
CATALOGUE = (CASES / "catalogue.yaml").read_text(encoding="utf-8")
# The temporary folder is the same for all examples of a test: each example writes the files anew.
SETTINGS = {
    "deadline": None,
    "derandomize": True,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


def _keys(part):
    if isinstance(part, dict):
        return set(part.get("properties", {})).union(*(_keys(value) for value in part.values()))
    return set().union(*(_keys(item) for item in part)) if isinstance(part, list) else set()


KEYS = sorted(_keys(json_schema(EstateFile)) | _keys(json_schema(Catalogue)))
SNIPPETS = [
    *KEYS,
    *"{}[]:-,#&*!|>'\"%@`?\t\n\r\0\x85\u2028\ufeff\ud7ff",
    "  ", "- ", ": ", "&a ", "*a", "<<: ", "!!x ", "---\n", "...\n", "null", "true", "NO", "22:30", "1e999", ".nan",
    "-1", "0", "99999999999999999999", "1.5", "2027-02-30", "FREQ=DAILY", "kvm{9..1}", "{id}", "日", "😀", "a" * 500,
]  # fmt: skip


def _judge(folder, estate: bytes, catalogue: bytes):
    (folder / "catalogue.yaml").write_bytes(catalogue)
    path = folder / "estate.yaml"
    path.write_bytes(estate)
    outcome = check(path)
    assert (outcome.estate is None) == bool(outcome.problems)
    for problem in (*outcome.problems, *outcome.warnings):
        assert problem.line >= 1
        assert problem.column >= 1
        assert problem.exit_code in (2, 3)
        assert str(problem).isprintable(), ascii(str(problem))
        assert "pydantic" not in str(problem)


@settings(max_examples=150, **SETTINGS)
@given(data=st.binary(max_size=400))
def test_random_bytes(tmp_path, data):
    _judge(tmp_path, data, CATALOGUE.encode())


def _edited(text, edits):
    for start, length, insert in edits:
        at = start % (len(text) + 1)
        text = text[:at] + insert + text[at + length :]
    return text.encode("utf-8", "surrogatepass")


EDITS = st.lists(
    st.tuples(st.integers(0, 10_000), st.integers(0, 12), st.sampled_from(SNIPPETS) | st.text(max_size=5)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=400, **SETTINGS)
@given(edits=EDITS)
def test_random_edits_of_a_sound_estate(tmp_path, edits):
    _judge(tmp_path, _edited(ESTATE, edits), CATALOGUE.encode())


@settings(max_examples=300, **SETTINGS)
@given(edits=EDITS)
def test_random_edits_of_a_sound_catalogue(tmp_path, edits):
    _judge(tmp_path, ESTATE.encode(), _edited(CATALOGUE, edits))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["hita", "standard", "catalogue.yaml", "resident-tax", "2027-04-01", "20:00-06:00", "FREQ=DAILY"])
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=300, **SETTINGS)
@given(tree=st.dictionaries(st.sampled_from(sorted(set(EstateFile.model_fields) - {"catalogue"})), TREES, max_size=8))
def test_random_trees(tmp_path, tree):
    # JSON is YAML; NaN and Infinity become plain words, which are text.
    # The standard catalogue takes 0.1 s to read; the small one will do.
    _judge(tmp_path, json.dumps({"catalogue": "catalogue.yaml"} | tree).encode(), CATALOGUE.encode())


def _places(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _places(item, (*path, index))


def _with(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _with(value[path[0]], path[1:], new)
    return copy


def _plain(text):
    from estate.yaml_reader import parse

    return parse(text, "sound.yaml")[0].data()


@settings(max_examples=400, **SETTINGS)
@given(data=st.data())
def test_a_sound_estate_or_catalogue_with_one_value_exchanged(tmp_path, data):
    trees = {"estate": _plain(ESTATE), "catalogue": _plain(CATALOGUE)}
    which = data.draw(st.sampled_from(sorted(trees)))
    path = data.draw(st.sampled_from(list(_places(trees[which]))))
    trees[which] = _with(trees[which], path, data.draw(TREES))
    _judge(tmp_path, json.dumps(trees["estate"]).encode(), json.dumps(trees["catalogue"]).encode())
