"""The reader: YAML 1.2 values, places of nodes, and what it refuses."""

import math
from pathlib import Path

import pytest

from estate import EstateErrors, read_document
from estate.base_records import Record
from estate.yaml_reader import parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("22:30", "22:30"),
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("2027-04-01", "2027-04-01"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("0o17", 15),
        ("0x1F", 31),
        ("012", 12),
        ("-7", -7),
        ("+7", 7),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("190:20:30", "190:20:30"),
        ("'442046'", "442046"),
        ('"true"', "true"),
        ("! 12", "12"),
        ("!!str 12", "12"),
        ("-", [None]),
        ("１２", "１２"),
    ],
)
def test_values_follow_yaml_1_2(text, value):
    node, problems = parse(f"a: {text}" if text != "-" else "a:\n  -", "f")
    found = node.data()["a"]
    assert problems == []
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", [".nan", ".inf", "-.INF", "1e999", "9" * 5000, "0x" + "f" * 400])
def test_numbers_that_are_not_finite_are_refused_at_their_place(text):
    node, problems = parse(f"a: 1\nb: {text}", "f")
    assert [(p.line, p.column) for p in problems] == [(2, 4)]
    assert math.isfinite(node.data()["b"])


def test_every_node_knows_its_place():
    node, _ = parse("a:\n  - x: 1\n    日本: [2, 三]\n", "f")
    item = node.value["a"][1].value[0]
    key, value = item.value["日本"]
    assert (key.line, key.column) == (3, 5)
    assert [(n.line, n.column) for n in value.value] == [(3, 10), (3, 13)]


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "重複"),
        ("x:\n\ty: 1\n", 2, 1, "タブ"),
        ("a: !!python/object:os.system x\n", 1, 4, "タグ"),
        ("a: !secret x\n", 1, 4, "タグ"),
        ("a: !!timestamp 2027-04-01\n", 1, 4, "タグ"),
        ("<<: {a: 1}\n", 1, 1, "マージキー"),
        ("1: a\n", 1, 1, "キーが文字列"),
        ("? [a]\n: 1\n", 1, 3, "キーが文字列"),
        ("--- 1\n--- 2\n", 2, 1, "文書が二つ"),
        ("a: &x [*x]\n", 1, 8, "自分自身"),
        ("a: *b\n", 1, 4, "元"),
        ("[" * 3000, 1, 101, "入れ子"),
        ("- " * 3000 + "1", 1, 201, "入れ子"),
        ("a: 'x\n", 1, 4, "引用符"),
        ("", 1, 1, "空"),
        ("# only a comment\n", 1, 1, "空"),
        ("---\n", 1, 1, "空"),
        ("a: [1\nb: 2", 2, 2, "]"),
    ],
)
def test_refused_with_place_and_reason(text, line, column, words):
    try:
        _, problems = parse(text, "f")
    except EstateErrors as errors:
        problems = list(errors.problems)
    assert [(p.line, p.column) for p in problems] == [(line, column)]
    assert words in problems[0].message


def test_aliases_are_read_but_counted_as_often_as_they_are_used():
    node, _ = parse("a: &a {x: 1}\nb: *a\n", "f")
    assert node.data() == {"a": {"x": 1}, "b": {"x": 1}}
    bomb = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 30)
    )
    with pytest.raises(EstateErrors, match="項目が多すぎます"):
        parse(bomb, "f")
    deep = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 200))
    with pytest.raises(EstateErrors, match="入れ子が深すぎます"):
        parse(deep, "f")


class Leaf(Record):
    """A small record for these tests."""

    size: int
    names: tuple[str, ...] = ()


def test_read_document_gives_the_record_or_every_mistake(tmp_path: Path):
    good = tmp_path / "good.yaml"
    good.write_bytes("\ufeffsize: 3\r\nnames: [NO, 22:30]\r\n".encode())
    assert read_document(good, Leaf) == Leaf(size=3, names=("NO", "22:30"))
    bad = tmp_path / "bad.yaml"
    bad.write_text("siez: 3\nnames: [1, x, true]\nsize: '3'\n")
    with pytest.raises(EstateErrors) as caught:
        read_document(bad, Leaf)
    assert [(p.line, p.column, p.path) for p in caught.value.problems] == [
        (1, 1, "siez"),
        (2, 9, "names[0]"),
        (2, 15, "names[2]"),
        (3, 7, "size"),
    ]
    assert caught.value.exit_code == 2
    assert "もしかして: 「size」" in caught.value.problems[0].message
