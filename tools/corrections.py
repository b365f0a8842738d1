"""Corrections of a library that is linked in: text against text, in a copy that only the build sees.

`corrections.json` beside a go.mod lists them: module, file, the text before and after, and the reason. The module's
bytes are those that go.sum pins; a text that is not there exactly once stops the build, so that a new version of the
library cannot slip past a correction.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

FILE = "corrections.json"
FOLDER = "corrected"


class CorrectionError(Exception):
    """A correction does not fit the source; the text says which."""


def corrected_sources(module: Path, work: Path, go: Callable[..., str]) -> Path:
    """Answer the folder to build the Go module in: itself or, where it has corrections, a copy in `work` that uses
    corrected copies of its libraries. `go` runs Go in a folder and answers its output. Raises CorrectionError.
    """
    listed = module / FILE
    if not listed.is_file():
        return module
    copy = work / module.name
    copy.mkdir()
    for path in module.iterdir():
        if path.name in {"go.mod", "go.sum"} or path.suffix == ".go":
            shutil.copyfile(path, copy / path.name)
    for number, (name, changes) in enumerate(_by_module(listed).items()):
        go("mod", "download", name, folder=module)
        source = Path(go("list", "-mod=readonly", "-m", "-f", "{{.Dir}}", name, folder=module).strip())
        library = copy / FOLDER / str(number)
        # The module cache is read-only, and a mode that is copied would keep us from writing.
        shutil.copytree(source, library, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns(".git*"))
        for folder in (library, *(path for path in library.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        for change in changes:
            _apply(library / change["file"], change)
        with (copy / "go.mod").open("a", encoding="utf-8") as file:
            # Relative: the path is written into the binary, and equal sources must give equal binaries.
            file.write(f"\nreplace {name} => ./{FOLDER}/{number}\n")
    return copy


def _by_module(listed: Path) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for change in json.loads(listed.read_text(encoding="utf-8")):
        found.setdefault(change["module"], []).append(change)
    return found


def _apply(path: Path, change: dict[str, str]) -> None:
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    times = text.count(change["before"])
    if times != 1:
        raise CorrectionError(
            f"修正「{change['name']}」の対象が {change['file']} に {times} か所あります（1 か所のはず）"
        )
    path.write_text(text.replace(change["before"], change["after"]), encoding="utf-8")
