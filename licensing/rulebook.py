"""Which rule counts a product on a date: reads rule files, picks the version, checks the options of a use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from estate import EstateErrors, read_document

from .errors import LicensingError, did_you_mean
from .records import Counting, Option, OptionValue, Rule, Version

SHIPPED = Path(__file__).parent / "rules"
REGIONS = ("japan", "worldwide")
"""Versions for Japan come before worldwide ones; others are never used."""


@dataclass(frozen=True)
class RuleBook:
    """All rules by id."""

    rules: Mapping[str, Rule]

    def rule(self, rule_id: str, where: str) -> Rule:
        """Answers the rule of that id; raises LicensingError with the nearest known id. `where` names who asks."""
        if rule_id not in self.rules:
            raise LicensingError(f"{where}: 規則 {rule_id} がありません{did_you_mean(rule_id, self.rules)}")
        return self.rules[rule_id]


def load_rules(rules_dir: Path | None = None) -> RuleBook:
    """Reads the shipped rules, then those of `rules_dir`, which replace shipped ones of the same id.

    Raises LicensingError with every mistake of every file.
    """
    rules: dict[str, Rule] = {}
    problems: list[str] = []
    paths: dict[str, Path] = {}
    for folder in (SHIPPED, *(() if rules_dir is None else (rules_dir,))):
        if not folder.is_dir():
            raise LicensingError(f"{folder}: 規則のフォルダーがありません")
        origin: dict[str, Path] = {}
        for path in sorted(folder.glob("*.yaml")):
            try:
                rule = _shipped_rule(path) if folder == SHIPPED else read_document(path, Rule)
            except EstateErrors as errors:
                problems.extend(str(problem) for problem in errors.problems)
                continue
            paths[rule.id] = path
            if rule.id in origin:
                problems.append(f"{path}: 規則 {rule.id} が {origin[rule.id]} にもあります。一つにしてください")
            origin[rule.id] = path
            rules[rule.id] = rule
    for rule in rules.values():
        for other in rule.alternatives:
            if other.rule not in rules:
                problems.append(
                    f"{paths[rule.id]}: alternatives の規則 {other.rule} がありません{did_you_mean(other.rule, rules)}"
                )
    if problems:
        raise LicensingError(*problems)
    return RuleBook(rules)


@cache
def _shipped_rule(path: Path) -> Rule:
    """A shipped rule does not change while the program runs, and remedies count often."""
    return read_document(path, Rule)


def version_at(rule: Rule, day: date) -> Version:
    """Answers the version valid on `day` in Japan; raises LicensingError when there is none."""
    for region in REGIONS:
        for version in rule.versions:
            until = version.valid_to
            if version.region == region and version.valid_from <= day and (until is None or day < until):
                return version
    spans = "、".join(f"{v.region} {v.valid_from} から {v.valid_to or '現在'}" for v in rule.versions)
    raise LicensingError(f"規則 {rule.id}: {day} に日本で有効な版がありません（ある版：{spans}）")


def complete_options(rule: Rule, given: Mapping[str, OptionValue], where: str) -> dict[str, OptionValue]:
    """Answers the options of a use with the rule's defaults filled in.

    Raises LicensingError for an unknown option or a value that the option does not take.
    """
    problems = []
    for name, value in given.items():
        if name not in rule.options:
            problems.append(
                f"{where}: 規則 {rule.id} にオプション {name} はありません{did_you_mean(name, rule.options)}"
            )
        elif (allowed := _refusal(rule.options[name], value)) is not None:
            problems.append(f"{where}: {rule.id} のオプション {name} の値 {value!r} は使えません（{allowed}）")
    if problems:
        raise LicensingError(*problems)
    defaults = {name: option.default for name, option in rule.options.items() if option.default is not None}
    return dict(sorted({**defaults, **given}.items()))


def _refusal(option: Option, value: OptionValue) -> str | None:
    """What the option takes instead of `value`; None when it takes the value."""
    if option.number:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
            return None
        return "0 より大きい数"
    if option.text:
        return (
            None if isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable() else "100 字までの文字列"
        )
    # `True == 1` in Python: a choice is the same value of the same type.
    if any(value == choice and type(value) is type(choice) for choice in option.choices):
        return None
    if isinstance(value, str):
        return f"使える値{did_you_mean(value, [str(c) for c in option.choices])}"
    return "使える値：" + "、".join(str(choice) for choice in option.choices)


def counting_for(rule: Rule, version: Version, options: Mapping[str, OptionValue], where: str) -> Counting:
    """Answers the way to count that the options select in this version.

    Raises LicensingError when no way matches, or when a right that the metric requires is not held.
    """
    for counting in version.counts:
        if all(options.get(name) == value for name, value in counting.when.items()):
            for name, value in counting.rights.requires.items():
                if options.get(name) != value:
                    meaning = rule.options[name].meaning
                    raise LicensingError(
                        f"{where}: {rule.id} は {name}: {_plain(value)} が必要です（今は {_plain(options.get(name))}。"
                        f"{meaning}）。別の計数単位の規則を選んでください"
                    )
            return counting
    shown = "、".join(f"{name}: {_plain(value)}" for name, value in options.items()) or "なし"
    raise LicensingError(
        f"{where}: {rule.id} の {version.valid_from} からの版に、このオプションの数え方がありません（{shown}）"
    )


def _plain(value: OptionValue | None) -> str:
    if value is None:
        return "指定なし"
    return str(value).lower() if isinstance(value, bool) else str(value)
