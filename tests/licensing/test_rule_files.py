"""Rule files are data: a vendor is added by adding a file, and a file that cannot be says where it is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import licensing
from estate import read_document
from layout.records import Product
from licensing import rulebook
from licensing.records import Counting, Floors, Option, Pinning, Rights, Rule, Stacking, Version
from tests.licensing.case_files import CASES, CaseRecord
from tests.licensing.small_layouts import host, layout, vm

OWN_RULES = CASES / "rules"
ACME = [read_document(path, Rule) for path in sorted(OWN_RULES.glob("acme-*.yaml"))]
PACKAGES = (Path(licensing.__file__).parent, Path(rulebook.__file__).parents[1] / "kumiai")


def records(value: object) -> Iterator[BaseModel]:
    """Every record in a rule, itself included."""
    if isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from records(getattr(value, name))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from records(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from records(item)


def test_the_made_up_vendor_uses_every_dimension():
    """Every field of every record of a rule file stands in one of its files with a value other than its default."""
    used: dict[type[BaseModel], set[str]] = {}
    for rule in ACME:
        for record in records(rule):
            names = used.setdefault(type(record), set())
            for name, field in type(record).model_fields.items():
                default = field.get_default(call_default_factory=True)
                if default is PydanticUndefined or getattr(record, name) != default:
                    names.add(name)
    unused = {
        f"{record.__name__}.{name}" for record, names in used.items() for name in record.model_fields.keys() - names
    }
    assert unused == set()
    assert {record.__name__ for record in used} >= {
        "Rule", "Option", "Alternative", "Version", "Counting", "Scope", "Floors", "Factor", "Points", "Stacking",
        "Rights", "Pinning", "Pack", "TimeLaw", "Users", "Standby", "Grade", "Tier",
    }  # fmt: skip


def test_no_code_knows_the_made_up_vendor_or_any_other():
    """No rule has code of its own: the ids of the shipped rules stand in no module that counts."""
    ids = {path.stem for path in rulebook.SHIPPED.glob("*.yaml")}
    for package in PACKAGES:
        for path in package.rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            assert [rule for rule in ids if f'"{rule}"' in text] == [], path.name
            assert "acme" not in text.lower(), path.name


class Broken(CaseRecord):
    id: str
    what: str
    file: str
    """The shipped or made-up rule that is broken."""
    replace: tuple[tuple[str, str], ...]
    line: int
    """Where the mistake is told."""
    told: tuple[str, ...]


class BrokenFile(CaseRecord):
    format: int
    cases: tuple[Broken, ...]


BROKEN = read_document(CASES / "broken-rules" / "cases.yaml", BrokenFile).cases


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.id)
def test_a_rule_file_that_cannot_be_is_refused_with_its_line(case: Broken, tmp_path: Path):
    home = OWN_RULES if (OWN_RULES / case.file).exists() else rulebook.SHIPPED
    for path in OWN_RULES.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    text = (home / case.file).read_text(encoding="utf-8")
    for old, new in case.replace:
        assert text.count(old) >= 1
        text = text.replace(old, new, 1)
    (tmp_path / case.file).write_text(text, encoding="utf-8")
    with pytest.raises(licensing.LicensingError) as error:
        rulebook.load_rules(tmp_path)
    [line] = error.value.problems
    found = re.match(rf"{re.escape(str(tmp_path / case.file))}:(\d+):\d+: ", line)
    assert found is not None, line
    assert int(found[1]) == case.line, line
    for told in case.told:
        assert told in line
    assert "Value error" not in line


def test_a_folder_without_rules_and_a_file_of_another_ending(tmp_path: Path):
    with pytest.raises(licensing.LicensingError, match=r"規則のファイル（\*\.yaml）がありません"):
        rulebook.load_rules(tmp_path)
    (tmp_path / "ours.yml").write_text("format: 1\n", encoding="utf-8")
    with pytest.raises(licensing.LicensingError, match=r"ours\.yml: 規則のファイルの名前は \.yaml で終わる"):
        rulebook.load_rules(tmp_path)


DOCUMENT = (Path(__file__).parents[2] / "docs" / "licence-rules.md").read_text(encoding="utf-8")


def test_the_example_of_the_manual_counts_as_the_manual_says(tmp_path: Path):
    example = re.search(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    assert example is not None
    (tmp_path / "ours.yaml").write_text(example[1], encoding="utf-8")
    product = [Product(rule="mihon-report.core-pair")]
    plan = layout([host("h")], [vm("a", "h", product, vcpu=3), vm("b", "h", product, vcpu=5)])
    [counted] = licensing.count(plan, fiscal_year=2027, entitlements=None, rules_dir=tmp_path).products
    assert (counted.quantity, counted.packs) == (5, 1)


def test_the_manual_names_every_key_and_every_shipped_rule():
    shipped = {path.stem for path in rulebook.SHIPPED.glob("*.yaml")}
    assert {rule for rule in shipped if f"`{rule}`" not in DOCUMENT} == set()
    keys = {
        name
        for record in (Counting, Version, Option, Floors, Stacking, Rights, Pinning)
        for name in record.model_fields
    }
    assert {key for key in keys if f"`{key}" not in DOCUMENT and f"{key}:" not in DOCUMENT} <= {"meaning", "note"}
