"""What is installed is whole: nothing of the product needs the folder it lies in, or a variable that tests set."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORT = """
import importlib, pathlib, sys
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    print(name, pathlib.Path(module.__file__).resolve())
"""
PROGRAMS = {"infra.__main__", "kumiai.__main__"}
"""Run when they are imported."""


def packages() -> list[str]:
    """The packages that an installation has."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [name.removesuffix("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]]


def modules() -> list[str]:
    """Every module of these packages."""
    found = []
    for package in packages():
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if all((ROOT.joinpath(*parts[:depth]) / "__init__.py").exists() for depth in range(1, len(parts))):
                name = ".".join(parts).removesuffix(".__init__")
                found += [name] if name not in PROGRAMS else []
    return found


def test_every_module_is_found_from_any_folder(tmp_path):
    """As the command `kumiai` finds them, which does not look into the folder where it is called."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT, *modules()], cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(modules()) > 300


def test_packages_import_nothing_that_is_not_installed():
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert folders == set(packages())
