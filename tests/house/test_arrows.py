"""The house keeps its arrows: imports point one way, and heavy libraries stay in their room."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
ROOMS = (
    "estate",
    "layout",
    "capacity",
    "licensing",
    "planning",
    "infra",
    "runbooks",
    "reports",
    "kumiai",
    "lab",
    "tools",
)
MAY_IMPORT: dict[str, set[str]] = {
    "estate": set(),
    "layout": {"estate"},
    "capacity": {"estate", "layout"},
    "licensing": {"estate", "layout"},
    "planning": {"estate", "layout", "capacity", "licensing"},
    "infra": {"layout", "tools"},
    "runbooks": {"estate", "layout"},
    "reports": {"estate", "layout"},
    "kumiai": set(ROOMS) - {"kumiai", "tools"},
    "lab": {"layout"},
    "tools": set(),
}
ONLY_IN = {
    "yaml": {"estate"},
    "pulumi": {"infra"},
    "pulumi_libvirt": {"infra"},
    "paramiko": {"runbooks"},
    "simpy": {"capacity"},
    "ortools": {"capacity"},
    "jinja2": {"runbooks"},
}


def modules(room: str) -> list[Path]:
    return sorted((HOUSE / room).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield node.module


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_what_stands_before_them(room):
    wrong = [
        f"{path.relative_to(HOUSE)} imports {name}"
        for path in modules(room)
        for name in imported(path)
        if (top := name.split(".")[0]) in ROOMS and top != room and top not in MAY_IMPORT[room]
    ]
    assert wrong == []


@pytest.mark.parametrize("library", ONLY_IN)
def test_heavy_libraries_stay_in_their_room(library):
    wrong = [
        f"{path.relative_to(HOUSE)} imports {name}"
        for room in ROOMS
        if room not in ONLY_IN[library]
        for path in modules(room)
        for name in imported(path)
        if name.split(".")[0] == library
    ]
    assert wrong == []


def test_only_the_hypervisor_module_imports_the_libvirt_provider():
    users = {path.name for path in modules("infra") if "pulumi_libvirt" in {n.split(".")[0] for n in imported(path)}}
    assert users == {"hypervisor.py"}


def test_of_production_code_only_the_lab_command_imports_the_lab():
    users = {
        str(path.relative_to(HOUSE))
        for room in ROOMS
        if room != "lab"
        for path in modules(room)
        if "lab" in {name.split(".")[0] for name in imported(path)}
    }
    assert users == {"kumiai/lab.py"}


@pytest.mark.parametrize("room", ROOMS)
def test_modules_stay_small(room):
    long = {
        str(path.relative_to(HOUSE)): lines
        for path in modules(room)
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 450
    }
    assert long == {}
