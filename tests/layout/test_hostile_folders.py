"""Any change to the documents of a plan folder is refused in one line or harmless: no traceback, no hostile name."""

import copy
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layout import FolderError, checkers, folder
from tests.layout import builder

CALM = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
HOSTILE = (
    "'",
    '"',
    "/",
    "\\",
    "\n",
    "\r",
    "\0",
    ";",
    "$(x)",
    "`x`",
    "|",
    "&",
    "<",
    ">",
    "*",
    " ",
    "\u202e",
    "%",
    "\u2028",
)
FREE_TEXT = {
    ("estate", "name"), ("bounds", "proof"), ("hosts", "core_factors"), ("hosts", "model"),
    ("vms", "products", "options"), ("hosts", "products", "options"),
}  # fmt: skip
"""Words of layout.json that are for people, or that nothing but a count looks at."""
MAY_HOLD = {"path": "/", "uri": "/&%", "anti_affinity": "/", "address": ""}
"""Marks that belong to these words."""


class Sound:
    """A plan folder, its documents and the bytes of its files. No fields in `repr`: a failure prints its arguments."""

    def __init__(self, path):
        self.path = path
        self.files = {entry.name: entry.read_bytes() for entry in path.iterdir()}
        self.documents = {name: json.loads(data) for name, data in self.files.items() if name.endswith(".json")}

    def judged(self, name, data):
        """What `judge` says of the folder with one file changed."""
        (self.path / name).write_bytes(data)
        try:
            return judge(self.path)
        finally:
            (self.path / name).write_bytes(self.files[name])


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    return Sound(folder.write(tmp_path_factory.mktemp("sound") / "plan", builder.Builder(days=3).contents()).path)


def places(document):
    """Every path to a value of a document."""
    found = []

    def visit(value, path):
        found.append(path)
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in items:
            visit(inner, (*path, key))

    visit(document, ())
    return found[1:]


def at(document, path):
    for step in path:
        document = document[step]
    return document


def judge(path):
    """Reads a folder and lets every checker look at it; None where it is refused in one line."""
    refusal = None
    try:
        read = folder.read(path)
    except FolderError as error:
        refusal = error
    else:
        checkers.check(read)
        return read
    assert refusal.exit_code == 2
    assert refusal.message.isprintable()
    assert len(refusal.message) < 1_000
    return None


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(), st.text(max_size=20),
    st.sampled_from(["", "2027-01-01", "2027-01-01T00:00:00+09:00", "kvm01", "10.0.0.11", "52:54:00:00:00:00"]),
    st.builds(list), st.builds(dict),
)  # fmt: skip


@CALM
@given(data=st.data())
def test_a_value_may_become_anything(sound, data):
    name = data.draw(st.sampled_from(sorted(sound.documents)))
    document = copy.deepcopy(sound.documents[name])
    for _ in range(data.draw(st.integers(1, 3))):
        *parent, key = data.draw(st.sampled_from(places(document)))
        owner = at(document, parent)
        how = data.draw(st.sampled_from(("replace", "delete", "repeat", "nest")))
        if how == "delete":
            del owner[key]
        elif how == "repeat" and isinstance(owner, list):
            owner.insert(key, copy.deepcopy(owner[key]))
        elif how == "nest":
            owner[key] = [owner[key]]
        else:
            owner[key] = data.draw(scalars)
        if not document:
            break
    sound.judged(name, json.dumps(document).encode())


@CALM
@given(which=st.integers(0, 10**6), place=st.integers(0, 10**6), mark=st.sampled_from(HOSTILE))
def test_a_hostile_word_never_gets_in(sound, which, place, mark):
    """Wherever a word of layout.json takes up a quote, a slash or the like, the folder is refused."""
    document = copy.deepcopy(sound.documents["layout.json"])
    words = [place for place in places(document) if isinstance(at(document, place), str)]
    *parent, key = words[which % len(words)]
    kinds = tuple(step for step in (*parent, key) if isinstance(step, str))
    word = at(document, [*parent, key])
    place %= len(word) + 1
    at(document, parent)[key] = word[:place] + mark + word[place:]
    read = sound.judged("layout.json", json.dumps(document).encode())
    free = any(kinds[: len(allowed)] == allowed for allowed in FREE_TEXT)
    may_hold = mark in MAY_HOLD.get(kinds[-1], "")
    assert read is None or free or may_hold, (kinds, mark)


@CALM
@given(data=st.data())
def test_files_cut_short_swapped_or_sprinkled_with_bytes(sound, data):
    name = data.draw(st.sampled_from(sorted(sound.files)))
    content = bytearray(sound.files[name])
    how = data.draw(st.sampled_from(("cut", "sprinkle", "swap", "repeat")))
    if how == "cut":
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    elif how == "sprinkle":
        for _ in range(data.draw(st.integers(1, 8))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    elif how == "swap":
        content = bytearray(sound.files[data.draw(st.sampled_from(sorted(sound.files)))])
    else:
        content += content[: data.draw(st.integers(1, 2000))]
    sound.judged(name, bytes(content))
