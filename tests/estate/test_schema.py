"""The committed JSON Schemas are those of the records. `python -m estate.schema --write` brings them up to date."""

import json
import subprocess
import sys

import pytest

from estate import findings, schema


@pytest.mark.parametrize("name", schema.FILES)
def test_the_committed_schema_is_current(name):
    assert (schema.FOLDER / name).read_text(encoding="utf-8") == schema.text(schema.FILES[name])


def test_the_schema_names_keys_as_they_are_written():
    tenant = schema.json_schema()["$defs"]["Tenant"]
    assert {"from", "until", "population"} <= set(tenant["properties"])
    assert tenant["additionalProperties"] is False
    assert "check digit" in tenant["properties"]["code"]["description"]


def _patterns(part):
    if isinstance(part, dict):
        found = {part["pattern"]} if isinstance(part.get("pattern"), str) else set()
        found |= set(part.get("patternProperties", {}))
        return found.union(*(_patterns(value) for value in part.values()))
    return set().union(*(_patterns(item) for item in part)) if isinstance(part, list) else set()


def test_every_pattern_has_its_explanation_and_an_example():
    patterns = {found for model in schema.FILES.values() for found in _patterns(schema.json_schema(model))}
    assert patterns == set(findings.FORMS)
    assert patterns == set(findings.EXAMPLES)


def test_the_command_prints_the_schema():
    command = [sys.executable, "-m", "estate.schema"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == schema.json_schema()
    assert subprocess.run([*command, "--wrong"], capture_output=True, check=False).returncode == 2
