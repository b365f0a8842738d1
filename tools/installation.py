"""Which engine, Python host and provider are there, and what environment does a run of them need?"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.cache import cache_folder

PULUMI = "v3.259.0"
LIBVIRT = "0.5.4"
LANGUAGE_HOST = "pulumi-language-python"
LANGUAGE_EXEC = "pulumi-language-python-exec"
PROVIDER = "pulumi-resource-libvirt"
PLUGIN_FOLDER = f"resource-libvirt-v{LIBVIRT}"


@dataclass(frozen=True)
class Installation:
    """A complete set of programs.

    `bin` holds `pulumi`; `plugins` is the folder of plugins with the libvirt provider, None where that one is on PATH;
    `built` tells our own build from programs that the machine had before.
    """

    bin: Path
    plugins: Path | None
    built: bool


def built_installation(folder: Path) -> Installation | None:
    """Answer the build in a folder of the cache, or None where there is none. Such folders appear only when whole."""
    return Installation(folder / "bin", folder / "plugins", built=True) if folder.is_dir() else None


def machine_installation(env: Mapping[str, str]) -> Installation | None:
    """Answer the machine's own Pulumi, or None where one of its programs is missing or not of exactly our version.

    Our own builds do not count, even when PATH and PULUMI_HOME lead to them: they may be those of older sources.
    """
    cache = cache_folder(env).resolve()
    path = os.pathsep.join(
        folder
        for folder in env.get("PATH", "").split(os.pathsep)
        if folder and not Path(folder).resolve().is_relative_to(cache)
    )
    pulumi = shutil.which("pulumi", path=path)
    if pulumi is None or _answer([pulumi, "version"], env) != PULUMI:
        return None
    beside = Path(pulumi).resolve().parent
    language_host = shutil.which(LANGUAGE_HOST, path=path) or shutil.which(LANGUAGE_HOST, path=str(beside))
    if language_host is None or not os.access(Path(language_host).resolve().with_name(LANGUAGE_EXEC), os.X_OK):
        return None
    # The engine prefers a provider on PATH whatever its version, so that one decides.
    on_path = shutil.which(PROVIDER, path=path)
    if on_path is not None:
        suitable = _answer([on_path, "-version"], env) in {LIBVIRT, f"v{LIBVIRT}"}
        return Installation(Path(pulumi).parent, None, built=False) if suitable else None
    home = Path(env.get("PULUMI_HOME") or Path(env.get("HOME") or Path.home()) / ".pulumi")
    plugins = (home / "plugins").resolve()
    whole = not (plugins / f"{PLUGIN_FOLDER}.partial").exists() and os.access(
        plugins / PLUGIN_FOLDER / PROVIDER, os.X_OK
    )
    if whole and not plugins.is_relative_to(cache):
        return Installation(Path(pulumi).parent, plugins, built=False)
    return None


def engine_env(installation: Installation, state: Path, python: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Answer the variables that a run of `pulumi` needs on top of `env`, and lay out the folder `state` for it.

    `state` gets `home` (private PULUMI_HOME), `stacks` (file backend) and `passphrase` (made once, readable by its
    owner only). A backend or passphrase that `env` names already is kept. `python` runs the program: the language host
    ignores `virtualenv` in Pulumi.yaml. Raises FileExistsError where `state/home/plugins` is not a link.
    """
    state = state.absolute()
    home, stacks, passphrase = state / "home", state / "stacks", state / "passphrase"
    home.mkdir(parents=True, exist_ok=True)
    folders = [folder for folder in env.get("PATH", "").split(os.pathsep) if folder and folder != str(installation.bin)]
    answer = {
        "PATH": os.pathsep.join([str(installation.bin), *folders]),
        "PULUMI_HOME": str(home),
        "PULUMI_PYTHON_CMD": str(python.absolute()),  # not resolved: the link is what makes it a virtual environment
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    if installation.plugins is not None:
        _link(home / "plugins", installation.plugins)
        # Else a stray provider on PATH, of any version, wins over this one.
        answer["PULUMI_IGNORE_AMBIENT_PLUGINS"] = "true"
    if not env.get("PULUMI_BACKEND_URL"):
        stacks.mkdir(exist_ok=True)
        answer["PULUMI_BACKEND_URL"] = f"file://{stacks}"
    if "PULUMI_CONFIG_PASSPHRASE" not in env and not env.get("PULUMI_CONFIG_PASSPHRASE_FILE"):
        _make_passphrase(passphrase)
        answer["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(passphrase)
    return answer


def _answer(command: list[str], env: Mapping[str, str]) -> str:
    """Answer what a program prints when asked for its version; empty when it fails or hangs."""
    asked = {**env, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        done = subprocess.run(command, env=asked, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _link(link: Path, target: Path) -> None:
    """Make `link` lead to `target`, replacing an older link in one step so that two runs at once both find one."""
    if link.is_symlink() and link.readlink() == target:
        return
    if link.exists() and not link.is_symlink():
        raise FileExistsError(f"{link} はリンクのはずですが、別のものがあります")
    fresh = link.with_name(f".plugins-{secrets.token_hex(4)}")
    fresh.symlink_to(target)
    fresh.replace(link)


def _make_passphrase(path: Path) -> None:
    """Write a random passphrase where there is none yet; whoever comes second keeps the first one's."""
    fresh = path.with_name(f".passphrase-{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    try:
        os.link(fresh, path)
    except FileExistsError:
        return
    finally:
        fresh.unlink()
