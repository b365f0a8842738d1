"""Build the Pulumi engine, its Python host and the libvirt provider, once per machine: `python tools/build.py`.

What is built lies in the user's cache folder under a key made of the sources: checkouts with equal sources share it,
and a changed source never meets an old binary.
"""

import argparse
import hashlib
import json
import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

if not __package__:  # started by path, as the Makefile does: its siblings are found from the project's folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from tools.cache import appearing, cache_folder
from tools.corrections import FILE as CORRECTIONS
from tools.corrections import CorrectionError, corrected_sources
from tools.golang import GoMissingError, find_go, wanted_go_version
from tools.installation import (
    LANGUAGE_EXEC,
    LANGUAGE_HOST,
    LIBVIRT,
    PLUGIN_FOLDER,
    PROVIDER,
    PULUMI,
    Installation,
    built_installation,
    engine_env,
    machine_installation,
)
from tools.progress import say, step
from tools.tenant_secrets import SecretsError

SOURCES = Path(__file__).resolve().parent
SDK = "github.com/pulumi/pulumi/sdk/v3"
# -buildvcs=false and -trimpath: equal sources give equal binaries in every checkout and home.
FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-p=2", "-tags=osusergo,grpcnotrace")
KEYS = "programs.json"  # in a build: the key of each of its programs
LAYOUT = 1  # raise it when the folder that build() leaves behind changes its shape


@dataclass(frozen=True)
class Program:
    """One binary: the Go module that pins its sources, the package in it, linker flags, its place, time on 2 cores."""

    module: str
    package: str
    ldflags: str
    place: str
    duration: str


PROGRAMS = (
    Program("language-host", f"{SDK}/python/cmd/pulumi-language-python", "-s -w", f"bin/{LANGUAGE_HOST}", "40 秒ほど"),
    Program("provider", ".", "-s -w", f"plugins/{PLUGIN_FOLDER}/{PROVIDER}", "1 分ほど"),
    Program(
        "engine",
        "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        f"-s -w -X {SDK}/go/common/version.Version={PULUMI}",
        "bin/pulumi",
        "5 分ほど",
    ),
)


class BuildError(Exception):
    """A step of the build failed; the text says which and what the program printed last."""


def build_key(sources: Path = SOURCES, programs: Sequence[Program] = PROGRAMS) -> str:
    """Answer 16 hexadecimal digits that change with every source, correction, build flag and kind of machine."""
    digest = hashlib.sha256()
    named = [(program.module, program.package, program.ldflags, program.place) for program in programs]
    recipe = [LAYOUT, FLAGS, named, platform.system(), platform.machine()]
    digest.update(json.dumps(recipe).encode())
    for program in programs:
        for path in sorted((sources / program.module).iterdir()):
            if path.name in {"go.mod", "go.sum", CORRECTIONS} or path.suffix == ".go":
                digest.update(f"\0{program.module}/{path.name}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def build_folder(env: Mapping[str, str], sources: Path = SOURCES) -> Path:
    """Answer where the build of these sources lies, or would lie."""
    return cache_folder(env) / "tools" / build_key(sources)


def find(env: Mapping[str, str]) -> Installation | None:
    """Answer the programs to use: the machine's own where they are of our versions, else our build, else None."""
    return machine_installation(env) or built_installation(build_folder(env))


def build(env: Mapping[str, str]) -> Installation:
    """Build what is missing and answer where it lies.

    Raises BuildError, with the last lines of the failed program; then nothing is left behind.
    """
    found = find(env)
    if found is not None:
        return found
    target = build_folder(env)
    with appearing(target) as partial:
        if partial is not None:
            go = find_go(wanted_go_version(SOURCES / program.module / "go.mod" for program in PROGRAMS), env)
            _compile(go, partial, env)
            with step("できたものを確かめています"):
                verify(Installation(partial / "bin", partial / "plugins", built=True), env)
    return Installation(target / "bin", target / "plugins", built=True)


def verify(installation: Installation, env: Mapping[str, str]) -> None:
    """Start every program once. Raises BuildError where one does not answer as its version must."""
    plugins = installation.plugins
    if plugins is None:
        raise BuildError(f"{installation.bin}: プラグインのフォルダーがありません")
    version = _run([installation.bin / "pulumi", "version"], {**env, "PULUMI_SKIP_UPDATE_CHECK": "true"}).strip()
    if version != PULUMI:
        raise BuildError(f"pulumi version の答えが {version!r} です（{PULUMI} のはずです）")
    provider = plugins / PLUGIN_FOLDER / PROVIDER
    version = _run([provider, "-version"], env).strip()
    if version != LIBVIRT:
        raise BuildError(f"{PROVIDER} -version の答えが {version!r} です（{LIBVIRT} のはずです）")
    served = json.loads(_run([provider, "-get-provider-info"], env))["resources"]
    missing = {"libvirt_domain", "libvirt_volume", "libvirt_pool", "libvirt_network"} - set(served)
    if missing:
        raise BuildError(f"{PROVIDER} に {'、'.join(sorted(missing))} がありません")
    # The host has no --version. Given an engine's address it serves and prints its port, whether or not one is there.
    host = [str(installation.bin / LANGUAGE_HOST), "127.0.0.1:1"]
    with subprocess.Popen(host, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        port = process.stdout.readline().strip() if process.stdout else ""
        process.terminate()
        _, errors = process.communicate()
    if not port.isdigit():
        raise BuildError(f"{LANGUAGE_HOST} が起動しません：{port} {errors.strip()}")
    script = installation.bin / LANGUAGE_EXEC
    compile(script.read_text(encoding="utf-8"), str(script), "exec")
    if not os.access(script, os.X_OK):
        raise BuildError(f"{script} を実行できません")


def _compile(go: Path, target: Path, env: Mapping[str, str]) -> None:
    """Compile the three programs into `target` and lay the host's script beside them."""
    work = target / "work"
    work.mkdir()
    settings = {
        # GOROOT may belong to another Go than the one chosen; GOOS and GOARCH would build for another machine.
        **{name: value for name, value in env.items() if name not in {"GOROOT", "GOOS", "GOARCH"}},
        "CGO_ENABLED": "0",
        "GOMAXPROCS": "2",
        "GOTMPDIR": str(work),  # what an interrupted compiler leaves goes away with the folder
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }

    def run_go(*words: str, folder: Path) -> str:
        return _run([go, *words], settings, folder)

    keys = {program.place: build_key(programs=[program]) for program in PROGRAMS}
    (target / KEYS).write_text(json.dumps(keys) + "\n", encoding="utf-8")
    for program in PROGRAMS:
        output = target / program.place
        output.parent.mkdir(parents=True, exist_ok=True)
        if _reuse(output, program, keys[program.place], target.parent):
            continue
        with step(f"{output.name} を取得・ビルドしています（2 コアで {program.duration}）"):
            command: list[str | Path] = [
                go,
                "build",
                *FLAGS,
                f"-ldflags={program.ldflags}",
                "-o",
                output,
                program.package,
            ]
            folder = corrected_sources(SOURCES / program.module, work, run_go)
            _run(["nice", "-n", "10", *command], settings, folder)
    # The engine's own module holds the script of the SDK version that fits the Python package.
    sdk = _run([go, "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", SDK], settings, SOURCES / "engine").strip()
    script = target / "bin" / LANGUAGE_EXEC
    script.write_bytes((Path(sdk) / "python" / "cmd" / LANGUAGE_EXEC).read_bytes())
    script.chmod(0o755)
    shutil.rmtree(work)


def _reuse(output: Path, program: Program, key: str, builds: Path) -> bool:
    """Take a program of the same sources out of another build of this machine, where there is one."""
    for keys in sorted(builds.glob(f"[0-9a-f]*/{KEYS}")):
        if json.loads(keys.read_text(encoding="utf-8")).get(program.place) == key:
            shutil.copy2(keys.parent / program.place, output)
            return True
    return False


def _run(command: Iterable[str | Path], env: Mapping[str, str], folder: Path | None = None) -> str:
    """Answer what a program writes to stdout. Raises BuildError with its last lines when it fails."""
    words = [str(word) for word in command]
    with subprocess.Popen(
        words, env=dict(env), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            output, errors = process.communicate()
        except BaseException:
            process.terminate()  # SIGTERM lets `go` end its compilers
            process.wait()
            raise
    if process.returncode != 0:
        tail = "\n".join(line for line in errors.splitlines() if not line.startswith("go: downloading"))[-2000:]
        raise BuildError(f"{shlex.join(words)} が終了コード {process.returncode} で止まりました：\n{tail}")
    return output


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Turn SIGTERM into an exception, so that half-made folders are removed as after Ctrl-C."""
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 fine, 1 failed or (`--print-path`, `--env`) not built, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python tools/build.py", description=__doc__)
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--print-path", action="store_true", help="only print the folder of the programs")
    asked.add_argument("--env", metavar="STATE", type=Path, help="print the variables of runs that keep state in STATE")
    parser.add_argument("--stack", metavar="STACK", help="with --env: also name the passphrase of that stack")
    parser.add_argument("--json", action="store_true", help="with --env: one JSON object, not shell lines")
    options = parser.parse_args(arguments)
    try:
        return _show(options.env, options.stack, options.json) if options.print_path or options.env else _build()
    except KeyboardInterrupt:
        say("中断しました。作りかけのものは残っていません。")
        return 130
    except (BuildError, CorrectionError) as error:
        say(f"Pulumi をビルドできませんでした：{error}")
    except GoMissingError as error:
        say(f"Go を用意できませんでした：{error}")
    except (FileExistsError, SecretsError) as error:
        say(f"状態フォルダーを使えません：{error}")
    return 1


def _show(state: Path | None, stack: str | None, as_json: bool) -> int:
    """Print the folder of the programs or, with a state folder, the variables of a run."""
    installation = find(os.environ)
    if installation is None:
        say("Pulumi がまだビルドされていません。`make tools` を実行してください。")
        return 1
    if state is None:
        sys.stdout.write(f"{installation.bin}\n")
        return 0
    variables = engine_env(installation, state, Path(sys.executable), os.environ, stack)
    lines = (f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    sys.stdout.write(json.dumps(variables, ensure_ascii=False) + "\n" if as_json else "".join(lines))
    return 0


def _build() -> int:
    """Build what is missing and say where it lies."""
    signal.signal(signal.SIGTERM, _stop)
    installation = build(os.environ)
    origin = "ビルド済み" if installation.built else "この機械に導入済みのもの"
    say(f"Pulumi {PULUMI}（{origin}）：{installation.bin}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
