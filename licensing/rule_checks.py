"""Whether a rule file makes sense beyond its fields: options that are used as what they are, ways that can be reached.

The fields of one record are checked where they are read; this is what needs the whole rule, or the other rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from .errors import did_you_mean
from .records import Counting, Option, OptionValue, Rule, Version

LARGEST = 10**15
"""Of users, people or licences; above it the numbers of a result are no longer exact to the last digit."""


class Mistake(NamedTuple):
    """What is wrong, and the keys and indices that lead there in the file."""

    steps: tuple[str | int, ...]
    message: str


def refusal(option: Option, value: OptionValue) -> str | None:
    """Answers what an option takes instead of `value`; None when it takes the value."""
    if option.number:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
            return None if value <= LARGEST else f"{LARGEST:,} までの数"
        return "0 より大きい数"
    if option.text:
        short = isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable()
        return None if short else "100 字までの文字列"
    # `True == 1` in Python: a choice is the same value of the same type.
    if any(value == choice and type(value) is type(choice) for choice in option.choices):
        return None
    if isinstance(value, str):
        return did_you_mean(value, [str(c) for c in option.choices]).strip("（）")
    return "使える値：" + "、".join(str(choice) for choice in option.choices)


def mistakes(rule: Rule) -> Iterator[Mistake]:
    """Answers what is wrong with a rule by itself."""
    for name, option in rule.options.items():
        if option.default is not None and (wanted := refusal(option, option.default)) is not None:
            yield Mistake(("options", name, "default"), f"既定値 {option.default!r} は使えません（{wanted}）")
    for number, version in enumerate(rule.versions):
        for place, counting in enumerate(version.counts):
            for step in _way(rule, version, place, counting):
                yield Mistake(("versions", number, "counts", place, *step.steps), step.message)


def other_rules(rule: Rule, rules: Mapping[str, Rule]) -> Iterator[Mistake]:
    """Answers what is wrong with the other metrics that a rule names."""
    for number, alternative in enumerate(rule.alternatives):
        at = ("alternatives", number)
        other = rules.get(alternative.rule)
        if other is None:
            yield Mistake((*at, "rule"), f"規則 {alternative.rule} がありません{did_you_mean(alternative.rule, rules)}")
            continue
        for name, value in alternative.options.items():
            yield from _value((*at, "options", name), other, name, value)


def _way(rule: Rule, version: Version, place: int, counting: Counting) -> Iterator[Mistake]:
    given: list[tuple[tuple[str, ...], Mapping[str, OptionValue]]] = [
        (("when",), counting.when),
        (("rights", "requires"), counting.rights.requires),
        (("pinning", "otherwise"), counting.pinning.otherwise),
    ]
    if counting.standby is not None:
        given.append((("standby",), {counting.standby.option: counting.standby.value}))
    for steps, values in given:
        for name, value in values.items():
            yield from _value((*steps, name) if steps != ("standby",) else (*steps, "value"), rule, name, value)
    for steps, numeric in _numbers(counting):
        if numeric not in rule.options:
            yield from _value(steps, rule, numeric, 1)
        elif not rule.options[numeric].number:
            yield Mistake(steps, f"オプション {numeric} は数でない。number: true のオプションが要ります")
    hidden_by = next((n for n, way in enumerate(version.counts[:place]) if _covers(way, counting)), None)
    if hidden_by is not None:
        yield Mistake(("when",), f"counts の {hidden_by} 番目（0 から）が先に当てはまるため、この数え方は使われません")
    otherwise = counting.pinning.otherwise
    if otherwise and not any(_stays(way, {**counting.when, **otherwise}) for way in version.counts):
        yield Mistake(
            ("pinning", "otherwise"), "このオプションで選ばれる数え方（otherwise を持たないもの）がありません"
        )


def _numbers(counting: Counting) -> Iterable[tuple[tuple[str, ...], str]]:
    if counting.factor.option is not None:
        yield ("factor", "option"), counting.factor.option
    if counting.floors.option is not None:
        yield ("floors", "option"), counting.floors.option
    if counting.units_option is not None:
        yield ("units_option",), counting.units_option
    if counting.users is not None:
        yield ("users", "option"), counting.users.option


def _covers(earlier: Counting, later: Counting) -> bool:
    """Whether every use that the later way fits also fits the earlier one, which comes first."""
    return earlier.when.items() <= later.when.items()


def _stays(way: Counting, options: Mapping[str, OptionValue]) -> bool:
    return not way.pinning.otherwise and all(options.get(name, value) == value for name, value in way.when.items())


def _value(steps: tuple[str | int, ...], rule: Rule, name: str, value: OptionValue) -> Iterator[Mistake]:
    if name not in rule.options:
        known = did_you_mean(name, rule.options)
        yield Mistake(steps, f"規則 {rule.id} にオプション {name} はありません{known}")
    elif (wanted := refusal(rule.options[name], value)) is not None:
        yield Mistake(steps, f"オプション {name} の値 {value!r} は使えません（{wanted}）")
