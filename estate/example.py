"""An example estate to start from, written into a new folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from . import national
from .problems import shown, visible
from .schema import FOLDER as SCHEMAS

STARTER = "starter"
NATIONAL = "national"
"""Every municipality of Japan: written from the list, not copied."""
_TEMPLATES = Path(__file__).parent / "templates"
_EXAMPLES = Path(__file__).parents[1] / "examples"
_SCHEMA = "estate.schema.json"
_FOR_EDITORS = f"# yaml-language-server: $schema={_SCHEMA}\n"


class ExampleError(Exception):
    """The example cannot be written; the message says why, in Japanese, and what would be right."""

    def __init__(self, destination: Path, reason: str) -> None:
        super().__init__(f"{visible(str(destination))}: {reason}")


def templates() -> tuple[str, ...]:
    """Names that `write` knows: the small starter, every folder of examples that holds an estate, and the nation."""
    return (STARTER, *sorted(path.parent.name for path in _EXAMPLES.glob("*/estate.yaml")), NATIONAL)


def write(destination: Path, template: str = STARTER) -> Path:
    """Write an example into a new or empty folder, with the schema for completion; returns the estate file's path.

    Either the whole folder is there afterwards or nothing. Raises ExampleError for an unknown template, a destination
    that holds something already, and where the folder cannot be written.
    """
    if template not in templates():
        raise ExampleError(destination, f"ひな型{shown(template)}はありません。使えるもの: {'、'.join(templates())}")
    try:
        if destination.is_symlink() or (destination.exists() and not destination.is_dir()):
            raise ExampleError(destination, "フォルダーではありません。新しいフォルダーの名前を書いてください")
        if destination.is_dir() and any(destination.iterdir()):
            raise ExampleError(destination, "フォルダーが空ではありません。新しいフォルダーの名前を書いてください")
        destination.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{destination.name}.", dir=destination.parent))
        try:
            _fill(beside, template)
            beside.rename(destination)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise ExampleError(destination, f"書き込めません（{error.strerror or error}）") from error
    return destination / "estate.yaml"


def _fill(folder: Path, template: str) -> None:
    folder.chmod(0o755)  # mkdtemp makes it private
    if template == NATIONAL:
        (folder / "estate.yaml").write_text(national.estate_text(), encoding="utf-8")
    else:
        source = _TEMPLATES if template == STARTER else _EXAMPLES / template
        shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "out", ".*"))
    shutil.copyfile(SCHEMAS / _SCHEMA, folder / _SCHEMA)
    estate = folder / "estate.yaml"
    text = estate.read_text(encoding="utf-8")
    if not text.startswith("# yaml-language-server:"):
        estate.write_text(_FOR_EDITORS + text, encoding="utf-8")
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
