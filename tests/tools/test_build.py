"""The build as a whole, with a Go that only pretends to compile."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools.build import SOURCES, build_folder, build_key
from tools.installation import LANGUAGE_EXEC, LANGUAGE_HOST, PLUGIN_FOLDER, PROVIDER

# Writes, in place of each binary, a script that answers as the real one does. SLOW makes it hang at the engine.
FAKE_GO = r"""#!/bin/sh
echo "$PWD $*" >> "$LOG"
case "$1" in
version) echo "go version go1.99.0 linux/amd64"; exit 0 ;;
mod) exit 0 ;;
list) case "$*" in *terraform*) echo "$LIBRARY" ;; *) echo "$SDK" ;; esac; exit 0 ;;
esac
while [ "$1" != -o ]; do shift; done
case "$2" in
*/pulumi)
    if [ -n "$FAIL" ]; then echo "go: downloading x v1" >&2; echo "disk full" >&2; exit 1; fi
    if [ -n "$SLOW" ]; then touch "$SLOW"; exec sleep 60; fi
    body="echo ${ENGINE_SAYS:-v3.259.0}" ;;
*/pulumi-language-python) body='echo 4711; exec sleep 60' ;;
*/pulumi-resource-libvirt)
    info='{"resources": {"libvirt_domain": {}, "libvirt_volume": {}, "libvirt_pool": {}, "libvirt_network": {}}}'
    body="[ \$1 = -version ] && echo 0.5.4 || echo '$info'" ;;
esac
printf '#!/bin/sh\n%s\n' "$body" > "$2"
chmod +x "$2"
"""


@pytest.fixture
def machine(tmp_path):
    """A machine with that Go and nothing else of interest; answers its environment."""
    go = tmp_path / "go" / "go"
    go.parent.mkdir()
    go.write_text(FAKE_GO, encoding="utf-8")
    go.chmod(0o755)
    script = tmp_path / "sdk" / "python" / "cmd" / LANGUAGE_EXEC
    script.parent.mkdir(parents=True)
    script.write_text("print('host')\n", encoding="utf-8")
    script.chmod(0o444)  # as in Go's module cache
    for listed in SOURCES.glob("*/corrections.json"):
        for change in json.loads(listed.read_text(encoding="utf-8")):
            source = tmp_path / ("library" if "terraform" in change["module"] else "sdk") / change["file"]
            source.parent.mkdir(parents=True, exist_ok=True)
            with source.open("a", encoding="utf-8") as file:
                file.write(change["before"])
    return {
        "LIBRARY": str(tmp_path / "library"),
        "PATH": f"{go.parent}:/usr/bin:/bin",
        "HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "SDK": str(tmp_path / "sdk"),
        "LOG": str(tmp_path / "log"),
    }


def command(*words):
    return [sys.executable, str(SOURCES / "build.py"), *words]


def run(env, *words):
    done = subprocess.run(command(*words), env=env, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def compiled(env):
    log = Path(env["LOG"])
    return log.read_text(encoding="utf-8").count(" build ") if log.exists() else 0


def left_behind(env):
    return sorted(path.name for path in build_folder(env).parent.iterdir())


def test_build_lays_out_every_program_and_happens_once(machine):
    folder = build_folder(machine)
    code, output, said = run(machine)
    assert (code, output) == (0, "")
    assert said.count(" 秒\n") == 4  # three programs and the check
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        f"bin/{name}" for name in sorted(["pulumi", LANGUAGE_HOST, LANGUAGE_EXEC])
    ] + [f"plugins/{PLUGIN_FOLDER}/{PROVIDER}", "programs.json"]
    assert os.access(folder / "bin" / LANGUAGE_EXEC, os.X_OK)
    assert compiled(machine) == 3
    assert run(machine)[0] == 0
    assert compiled(machine) == 3


def test_compiler_may_not_touch_the_pins(machine):
    run(machine)
    lines = [line for line in Path(machine["LOG"]).read_text(encoding="utf-8").splitlines() if " build " in line]
    assert all("-mod=readonly" in line and "-trimpath" in line for line in lines)
    folders = [Path(line.split()[0]) for line in lines]
    assert [folder.name for folder in folders] == ["language-host", "provider", "engine"]
    # Host and provider are built in copies that use corrected libraries; the engine where it lies.
    assert [folder.parent == SOURCES for folder in folders] == [False, False, True]


def test_a_program_of_the_same_sources_is_taken_from_an_older_build(machine):
    run(machine)
    older = build_folder(machine)
    older.rename(older.with_name("0123456789abcdef"))
    keys = json.loads((older.with_name("0123456789abcdef") / "programs.json").read_text(encoding="utf-8"))
    changed = f"plugins/{PLUGIN_FOLDER}/{PROVIDER}"
    keys[changed] = "of other sources"
    (older.with_name("0123456789abcdef") / "programs.json").write_text(json.dumps(keys), encoding="utf-8")
    assert compiled(machine) == 3
    assert run(machine)[0] == 0
    assert compiled(machine) == 4
    assert (older / "bin" / "pulumi").read_bytes() == (older.with_name("0123456789abcdef") / "bin/pulumi").read_bytes()


def test_print_path_before_and_after(machine):
    code, output, said = run(machine, "--print-path")
    assert (code, output, said.count("\n")) == (1, "", 1)
    run(machine)
    assert run(machine, "--print-path") == (0, f"{build_folder(machine) / 'bin'}\n", "")


def test_env_as_shell_lines_and_as_json(machine, tmp_path):
    run(machine)
    state = tmp_path / "it's 状態"
    code, output, _ = run(machine, "--env", str(state), "--json")
    variables = json.loads(output)
    assert code == 0
    assert variables["PULUMI_PYTHON_CMD"] == sys.executable
    shown = run(machine, "--env", str(state))[1]
    script = shown + 'printf "%s\\n" "$PULUMI_HOME" "$PATH"; pulumi version'
    said = subprocess.run(["/bin/sh", "-c", script], env=machine, capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == [str(state / "home"), variables["PATH"], "v3.259.0"]


def test_failed_compiler_is_one_message_and_leaves_nothing(machine):
    code, output, said = run({**machine, "FAIL": "1"})
    assert (code, output) == (1, "")
    assert "Pulumi をビルドできませんでした" in said
    assert "disk full" in said
    assert "Traceback" not in said
    assert "downloading" not in said
    assert left_behind(machine) == [".lock"]


def test_wrong_engine_is_not_kept(machine):
    code, _, said = run({**machine, "ENGINE_SAYS": "v3.1.0"})
    assert code == 1
    assert "'v3.1.0'" in said
    assert left_behind(machine) == [".lock"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_build_leaves_nothing(machine, tmp_path, how):
    slow = tmp_path / "slow"
    env = {**machine, "SLOW": str(slow)}
    with subprocess.Popen(command(), env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while not slow.exists():
            assert process.poll() is None, process.stderr.read()
        process.send_signal(how)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "中断しました" in said
    assert left_behind(machine) == [".lock"]


def test_machine_with_its_own_pulumi_builds_nothing(machine, tmp_path):
    run(machine)
    own = tmp_path / "own"
    shutil.copytree(build_folder(machine), own)
    shutil.rmtree(build_folder(machine))
    env = {
        **machine,
        "PATH": f"{own / 'bin'}:{own / 'plugins' / PLUGIN_FOLDER}:{machine['PATH']}",
    }
    code, _, said = run(env)
    assert (code, str(own / "bin") in said) == (0, True)
    assert compiled(machine) == 3
    assert run(env, "--print-path") == (0, f"{own / 'bin'}\n", "")


@pytest.mark.parametrize(
    "changed", ["engine/go.sum", "language-host/go.mod", "provider/main.go", "provider/corrections.json"]
)
def test_key_changes_with_every_source(tmp_path, changed):
    for module in ("engine", "language-host", "provider"):
        shutil.copytree(SOURCES / module, tmp_path / module)
    assert build_key(tmp_path) == build_key()
    with (tmp_path / changed).open("a", encoding="utf-8") as file:
        file.write("\n")
    assert build_key(tmp_path) != build_key()


def test_key_does_not_change_with_other_files(tmp_path):
    for module in ("engine", "language-host", "provider"):
        shutil.copytree(SOURCES / module, tmp_path / module)
    (tmp_path / "engine" / "notes.txt").write_text("no source", encoding="utf-8")
    assert build_key(tmp_path) == build_key()


def test_no_source_names_a_proxy():
    for path in SOURCES.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert "GOPROXY=" not in path.read_text(encoding="utf-8"), path
