"""Which engine, Python host and provider are there, and what environment does a run of them need?"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.cache import cache_folder
from tools.tenant_secrets import FOLDER as SECRETS_FOLDER
from tools.tenant_secrets import PASSPHRASE, stack_secrets
from tools.tenant_secrets import VARIABLE as SECRETS

PULUMI = "v3.259.0"
LIBVIRT = "0.5.4"
VERDICTS = "KUMIAI_VERDICTS"
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


def engine_env(
    installation: Installation, state: Path, python: Path, env: Mapping[str, str], stack: str | None = None
) -> dict[str, str]:
    """Answer the variables that a run of `pulumi` needs on top of `env`, and lay out the folder `state` for it.

    `state` gets `home` (private PULUMI_HOME), `stacks` (file backend), `verdicts` (plans that were judged) and, for the
    stack that is named, its own `secrets/STACK` (passphrase, key of the tenant). Without a stack no passphrase is
    named: each stack has its own. A backend or passphrase that `env` names already is kept. `python` runs the program:
    the language host ignores `virtualenv` in Pulumi.yaml. Raises FileExistsError where `state/home/plugins` is not a
    link, and SecretsError.
    """
    state = state.absolute()
    home, stacks = state / "home", state / "stacks"
    home.mkdir(parents=True, exist_ok=True)
    folders = [folder for folder in env.get("PATH", "").split(os.pathsep) if folder and folder != str(installation.bin)]
    answer = {
        "PATH": os.pathsep.join([str(installation.bin), *folders]),
        "PULUMI_HOME": str(home),
        "PULUMI_PYTHON_CMD": str(python.absolute()),  # not resolved: the link is what makes it a virtual environment
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        SECRETS: str(state / SECRETS_FOLDER),
        VERDICTS: str(state / "verdicts"),
    }
    if installation.plugins is not None:
        _link(home / "plugins", installation.plugins)
        # Else a stray provider on PATH, of any version, wins over this one.
        answer["PULUMI_IGNORE_AMBIENT_PLUGINS"] = "true"
    if env.get("PYTHONDONTWRITEBYTECODE"):
        # The program starts two or three times per stack, and would be compiled each time: more than a second.
        answer["PYTHONDONTWRITEBYTECODE"] = ""
        answer["PYTHONPYCACHEPREFIX"] = str(home / "pycache")
    if not env.get("PULUMI_BACKEND_URL"):
        stacks.mkdir(exist_ok=True)
        answer["PULUMI_BACKEND_URL"] = f"file://{stacks}"
    if stack is not None:
        folder = stack_secrets(state, stack)
        named = env.get("PULUMI_CONFIG_PASSPHRASE_FILE")
        # A file of ours in `env` is that of the stack for which the variables were asked before.
        if "PULUMI_CONFIG_PASSPHRASE" not in env and (not named or Path(named).is_relative_to(state)):
            answer["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(folder / PASSPHRASE)
    return answer


def corrections(env: Mapping[str, str]) -> frozenset[str]:
    """Answer what the provider of a run with these variables does otherwise than the vendor's; empty for the vendor's.

    The words are those of `provider/corrections.json`, and `late-dial`.
    """
    beside = Path(env.get("PULUMI_HOME", "")) / "plugins" / PLUGIN_FOLDER / PROVIDER
    program = str(beside) if beside.is_file() else shutil.which(PROVIDER, path=env.get("PATH"))
    return frozenset(_answer([program, "-corrections"], env).split()) if program else frozenset()


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
