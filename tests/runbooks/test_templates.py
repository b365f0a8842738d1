"""No value can leave its word: what hostile names become in commands, and which places are refused."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layout.records import DiskRecord
from runbooks.errors import RunbookError
from runbooks.text import templates

HOSTILE = st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=30)
HOSTILE_WORDS = st.sampled_from(
    ["$(touch owned)", "`id`", "'; id; '", '" ; id ; "', "a\nb", "-rf", "*", "~", "{{ x }}", ""]
)


def arguments(command: str) -> list[str]:
    """The words that a real shell makes of a command."""
    done = subprocess.run(["sh", "-euc", command], capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


@settings(max_examples=60, deadline=None)
@given(HOSTILE | HOSTILE_WORDS, HOSTILE | HOSTILE_WORDS)
def test_every_inserted_value_is_exactly_one_word(one, two):
    text = "printf '%s\\0' {{ one }} \"$(printf '%s' {{ two }}; echo x)\" {{ [one, two] }}"
    assert list(templates.command_problems(text, ["one", "two"])) == []
    first, second, *both = arguments(templates.command(text, {"one": one, "two": two}))
    assert (first, second.removesuffix("x"), both) == (one, two, [one, two])


@settings(max_examples=40, deadline=None)
@given(HOSTILE | HOSTILE_WORDS)
def test_a_value_for_a_second_shell_is_quoted_twice(value):
    text = "eval printf '%s\\\\0' {{ value | quoted }}"
    assert list(templates.command_problems(text, ["value"])) == []
    assert arguments(templates.command(text, {"value": value})) == [value]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("echo '{{ x }}'", "「'」の中"),
        ('echo "{{ x }}"', '「"」の中'),
        ('echo "a $(b "{{ x }}")"', '「"」の中'),
        ("echo $(( {{ x }} + 1 ))", "「$((」の中"),
        ("echo ${y:-{{ x }}}", "「${」の中"),
        ("echo `id`", "バッククォート"),
        ("cat << EOF\n{{ x }}\nEOF", "ヒアドキュメント"),
        ("ssh {{ x }} id", "別のシェル"),
        ("ssh host rm {{ x }}", "別のシェル"),
        ("a && eval {{ x }}", "別のシェル"),
        ("sh -c {{ x }}", "別のシェル"),
        ("bash -euc {{ x }}", "別のシェル"),
        ("echo 'a", "「'」が閉じていません"),
        ("echo $(a", "「$(」が閉じていません"),
        ("echo {{ x | raw }}", "No filter named 'raw'"),
        ("echo {{ x | safe }}", "No filter named 'safe'"),
        ("echo {{ y }}", "知らない名前です（y）"),
        ("echo {{ x", "テンプレートの誤り"),
    ],
)
def test_places_where_quoting_does_not_protect_are_refused(text, wrong):
    assert any(wrong in each for each in templates.command_problems(text, ["x"]))


@pytest.mark.parametrize(
    "text",
    [
        "echo {{ x }}",
        'test "$(virsh vcpucount {{ x }} --live)" -ge {{ x }}',
        "echo \"$(a '{print $1}' {{ x }})\" # don't mind",
        'for a in {{ x }}; do echo "$a"; done',
        "ssh host id; echo {{ x }}",
        "ssh {{ x | quoted }} virsh domstate {{ x | quoted }}",
        "if a; then (cd / && b {{ x }}) fi",
        "echo \\' {{ x }} \\'",
        "{% if x %}--a {{ x }}{% endif %}",
        'eval "$(kumiai deploy --env --stack {{ x }})"',
        "awk '/^a(b)/ {print $2}' {{ x }}",
    ],
)
def test_places_where_it_does_are_fine(text):
    assert list(templates.command_problems(text, ["x"])) == []


@pytest.mark.parametrize(
    "expression",
    ["x.__class__", "x.__class__.__mro__[1].__subclasses__()", "''.__class__", "x.missing", "missing", "facts.none"],
)
def test_the_sandbox_lets_nothing_out(expression):
    with pytest.raises(RunbookError):
        templates.plain(templates.value(expression, {"x": "text", "facts": {}}))


def test_records_are_their_ids_and_numbers_are_plain():
    disk = DiskRecord(name="d", size_gib=1.0, pool="p", protect=True)
    assert templates.command(
        "{{ n }} {{ f }} {{ b }} {{ disk.name }}", {"n": 3, "f": 4.0, "b": True, "disk": disk}
    ) == ("3 4 true d")
    with pytest.raises(RunbookError, match="None"):
        templates.command("{{ n }}", {"n": None})


def test_facts_that_a_template_uses_are_found():
    assert templates.fact_names("a {{ facts.one }} {% if facts['two'] %}{{ x.facts }}{% endif %}") == {"one", "two"}
    assert templates.fact_names("facts.one['a'] + 1", expression=True) == {"one"}
