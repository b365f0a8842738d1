"""Which rule counts a product on a date: reads rule files, picks the version, checks the options of a use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from estate import EstateErrors, problem_at, read_document

from . import rule_checks
from .errors import LicensingError, did_you_mean
from .records import Counting, OptionValue, Rule, Version

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
            raise LicensingError(f"{where}: {self.missing(rule_id)}")
        return self.rules[rule_id]

    def missing(self, rule_id: str) -> str:
        """Answers what to say of a rule that is not there: the nearest known id, and how to add one's own."""
        near = did_you_mean(rule_id, self.rules)
        return f"規則 {rule_id} がありません{near}。自分の規則のフォルダーは --rules で渡します"


def load_rules(rules_dir: Path | None = None) -> RuleBook:
    """Reads the shipped rules, then those of `rules_dir`, which replace shipped ones of the same id.

    Raises LicensingError with every mistake of every file.
    """
    rules: dict[str, Rule] = {}
    problems: list[str] = []
    paths: dict[str, Path] = {}
    for folder in (SHIPPED, *(() if rules_dir is None else (rules_dir,))):
        origin: dict[str, Path] = {}
        for path in _files(folder):
            try:
                rule = _shipped_rule(path) if folder == SHIPPED else read_document(path, Rule)
            except EstateErrors as errors:
                problems.extend(str(problem) for problem in errors.problems)
                continue
            problems.extend(_placed(path, rule_checks.mistakes(rule)))
            if rule.id in origin:
                twice = f"規則 {rule.id} が {origin[rule.id]} にもあります。一つにしてください"
                problems.append(str(problem_at(path, ("id",), twice)))
            origin[rule.id] = paths[rule.id] = path
            rules[rule.id] = rule
    if not problems:  # else a rule that is missing may be one that could not be read
        for rule in rules.values():
            problems.extend(_placed(paths[rule.id], rule_checks.other_rules(rule, rules)))
    if problems:
        raise LicensingError(*problems)
    return RuleBook(rules)


@cache
def _shipped_rule(path: Path) -> Rule:
    """A shipped rule does not change while the program runs, and remedies count often."""
    return read_document(path, Rule)


def _files(folder: Path) -> list[Path]:
    """The rule files of a folder; raises LicensingError where it has none, or has some under another ending."""
    if not folder.is_dir():
        raise LicensingError(f"{folder}: 規則のフォルダーがありません")
    if other := sorted(folder.glob("*.yml")):
        raise LicensingError(*(f"{path}: 規則のファイルの名前は .yaml で終わるようにしてください" for path in other))
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise LicensingError(f"{folder}: 規則のファイル（*.yaml）がありません")
    return files


def _placed(path: Path, mistakes: Iterable[rule_checks.Mistake]) -> Iterable[str]:
    return (str(problem_at(path, mistake.steps, mistake.message)) for mistake in mistakes)


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
        elif (allowed := rule_checks.refusal(rule.options[name], value)) is not None:
            problems.append(f"{where}: {rule.id} のオプション {name} の値 {value!r} は使えません（{allowed}）")
    if problems:
        raise LicensingError(*problems)
    defaults = {name: option.default for name, option in rule.options.items() if option.default is not None}
    return dict(sorted({**defaults, **given}.items()))


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
