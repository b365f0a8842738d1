"""The catalogue as one record: out of one file, or out of every YAML file of a folder, united by key."""

from __future__ import annotations

from pathlib import Path

from .catalogue_records import Catalogue
from .problems import EstateErrors, Problem, shown
from .validation import Document, validate
from .yaml_reader import Node, read

STANDARD = Path(__file__).parent / "catalogue"
_STAND_INS = {
    "format": 1, "host_models": {}, "units": {}, "classes": [], "windows": {}, "online_profiles": {}, "systems": {},
}  # fmt: skip


def path_of(name: str, estate: Path) -> Path:
    """`standard`, or a path relative to the estate file."""
    return STANDARD if name == "standard" else estate.parent / name


def read_catalogue(path: Path) -> Document[Catalogue]:
    """The catalogue at a file or folder, with every mistake in it. Raises EstateErrors where there is no tree."""
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    if not files:
        raise EstateErrors([Problem(str(path), 1, 1, "", "カタログのフォルダーに *.yaml がありません")])
    problems: list[Problem] = []
    roots: list[Node] = []
    for file in files:
        try:
            root, found = read(file)
        except EstateErrors as errors:
            problems += errors.problems
            continue
        problems += found
        roots.append(root)
    if not roots:
        raise EstateErrors(problems)
    root = _united(roots, problems) if len(files) > 1 else roots[0]
    return validate(root, problems, Catalogue, _STAND_INS)


def _united(roots: list[Node], problems: list[Problem]) -> Node:
    """One mapping out of several: dicts are united key by key, anything else may stand in one file only."""
    whole = Node(roots[0].file, 1, 1, {})
    for root in roots:
        if not isinstance(root.value, dict):
            problems.append(root.problem("", "カタログのファイルは対応表（キー: 値）でなければなりません"))
            continue
        for name, (key, value) in root.value.items():
            if name not in whole.value:
                copied = Node(value.file, value.line, value.column, value.value, value.text)
                if isinstance(value.value, dict):
                    copied.value = dict(value.value)
                whole.value[name] = (key, copied)
                continue
            there = whole.value[name][1]
            if not (isinstance(there.value, dict) and isinstance(value.value, dict)):
                problems.append(_twice(key, name, whole.value[name][0]))
                continue
            for entry, (entry_key, item) in value.value.items():
                if entry in there.value:
                    problems.append(_twice(entry_key, f"{name}.{entry}", there.value[entry][0]))
                else:
                    there.value[entry] = (entry_key, item)
    return whole


def _twice(key: Node, path: str, first: Node) -> Problem:
    where = f"{Path(first.file).name} の {first.line} 行目"
    return key.problem(path, f"{shown(path)}が重複しています（初出は {where}）。どちらかを消してください")
