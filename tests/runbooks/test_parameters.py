"""Parameters are typed, and belong to the plan."""

from __future__ import annotations

from datetime import date

import pytest

from runbooks.errors import RunbookError
from runbooks.running import operators
from runbooks.text.parameters import bind, parse
from runbooks.text.records import Header, Parameter


def parameter(type_: str, **more) -> Parameter:
    return Parameter(type=type_, help="説明", **more)


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        ("integer", "8", 8),
        ("text", "復旧訓練 2027", "復旧訓練 2027"),
        ("date", "2028-02-29", date(2028, 2, 29)),
        ("size_gib", "0.5", 0.5),
        ("tenant", "t00", "t00"),
        ("path", "/srv/a b", "/srv/a b"),
    ],
)
def test_good_values(plan, type_, text, value):
    assert parse(parameter(type_), text, plan.layout) == value


def test_things_of_the_plan_are_records(plan):
    layout = plan.layout
    assert parse(parameter("vm"), "t00-s00-ap-01", layout).host == "kvm01"
    assert parse(parameter("host"), "kvm02", layout).id == "kvm02"
    assert parse(parameter("network"), layout.networks[0].id, layout).bridge == layout.networks[0].bridge
    assert parse(parameter("site"), layout.hosts[0].site, layout) == layout.hosts[0].site


@pytest.mark.parametrize(
    ("type_", "text", "words"),
    [
        ("integer", "8.0", "整数ではありません"),
        ("integer", "８", "整数ではありません"),
        ("integer", "1" * 30, "整数ではありません"),
        ("integer", "", "整数ではありません"),
        ("text", "", "使えません"),
        ("text", "a\nb", "使えません"),
        ("text", "-rf", "オプションと読まれます"),
        ("text", "x" * 401, "使えません"),
        ("date", "2027-02-29", "日付ではありません"),
        ("date", "20270228", "日付ではありません"),
        ("size_gib", "0", "正の数"),
        ("size_gib", "1e3", "正の数"),
        ("size_gib", "-1", "正の数"),
        ("vm", "t00-s00-ap-1", "もしかして: 「t00-s00-ap-01」"),
        ("vm", "x; rm -rf /", "計画にありません"),
        ("host", "kvm99", "計画にありません"),
        ("tenant", "nobody", "計画にありません"),
        ("path", "/a/../etc", "「..」"),
    ],
)
def test_bad_values(plan, type_, text, words):
    with pytest.raises(RunbookError, match=words.replace("(", r"\(").replace("..", r"\.\.")):
        parse(parameter(type_), text, plan.layout)


def test_limits_choices_and_patterns(plan):
    layout = plan.layout
    with pytest.raises(RunbookError, match="4 以上"):
        parse(parameter("integer", minimum=4), "3", layout)
    with pytest.raises(RunbookError, match="4 以下"):
        parse(parameter("size_gib", maximum=4), "4.5", layout)
    with pytest.raises(RunbookError, match="使えるもの: yes、no"):
        parse(parameter("text", choices=("yes", "no")), "maybe", layout)
    with pytest.raises(RunbookError, match="正しい形は"):
        parse(parameter("text", pattern="[a-z]+"), "abc1", layout)


def test_every_mistake_is_told_at_once_and_defaults_follow_earlier_parameters(plan):
    header = Header(
        title="t",
        impact="i",
        parameters={
            "vm": parameter("vm"), "n": parameter("integer", default="vm.vcpu + 1"), "m": parameter("integer"),
        },
    )  # fmt: skip
    with pytest.raises(RunbookError) as caught:
        bind(header, {"vm": "x", "z": "1"}, plan.layout, {})
    assert [line.split("」")[0] for line in str(caught.value).splitlines()] == ["引数「z", "引数「vm", "引数「m"]
    bound = bind(header, {"vm": "t00-s00-ap-01", "m": "3"}, plan.layout, {})
    assert list(bound) == ["vm", "n", "m"]
    assert bound["n"] == bound["vm"].vcpu + 1


@pytest.mark.parametrize("name", ["yamada", "yamada.h", "sato-k2", "e1024", "yamada.h@example.jp"])
def test_people_are_operators(name):
    assert operators.require(name) == name


@pytest.mark.parametrize(
    "name",
    [None, "", "root", "admin", "ops", "ops1", "admin-02", "unyo", "Yamada", "a b", "../x", "root@center", "x" * 65],
)
def test_shared_names_are_not(name):
    with pytest.raises(RunbookError):
        operators.require(name)
