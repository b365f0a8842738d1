"""The real programs: what the machine's tools are after `make tools`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.build import SOURCES, build, verify
from tools.golang import find_go, parse_go_version, wanted_go_version
from tools.installation import engine_env

pytestmark = pytest.mark.e2e


def test_go_is_found_where_path_has_none():
    env = {**os.environ, "PATH": "/nowhere"}
    wanted = wanted_go_version(SOURCES.glob("*/go.mod"))
    go = find_go(wanted, env, Path(sys.executable))
    said = subprocess.run([go, "version"], env=env, capture_output=True, text=True, check=True).stdout
    version = parse_go_version(said)
    assert version is not None
    assert version >= wanted


@pytest.fixture(scope="module")
def installation():
    """Builds where nothing is built yet: minutes."""
    found = build(os.environ)
    if found.built:
        verify(found, os.environ)
    return found


@pytest.fixture
def pulumi(tmp_path, installation):
    """A project with a stack; answers a function that runs `pulumi` in it and gives back exit code and output."""
    project = tmp_path / "組合 project"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: smoke\nruntime: python\n", encoding="utf-8")
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
    env = {**plain, **engine_env(installation, tmp_path / "状態 a", Path(sys.executable), plain, "test")}

    def run(program, *words):
        (project / "__main__.py").write_text(program, encoding="utf-8")
        command = ["pulumi", *words, "--non-interactive", "--color=never"]
        done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr

    assert run("", "stack", "init", "test")[0] == 0
    return run


def test_engine_runs_a_python_program(pulumi):
    """A stack's outputs show engine, host, script and backend at work."""
    program = "import pulumi\npulumi.export('answer', 6 * 7)\n"
    assert pulumi(program, "version") == (0, "v3.259.0\n")
    code, said = pulumi(program, "up", "--yes", "--skip-preview")
    assert code == 0, said
    assert "warning" not in said
    assert json.loads(pulumi(program, "stack", "output", "--json")[1]) == {"answer": 42}
    code, said = pulumi(program, "preview", "--expect-no-changes")
    assert code == 0, said


def test_engine_starts_our_provider(pulumi, tmp_path):
    """Without a libvirtd the provider's own refusal shows that it was found, started and understood."""
    socket = tmp_path / "no-libvirtd"
    program = (
        "import pulumi, pulumi_libvirt as libvirt\n"
        f"host = libvirt.Provider('host', uri='qemu+unix:///system?socket={socket}')\n"
        "options = pulumi.ResourceOptions(provider=host)\n"
        "libvirt.Pool('pool', name='pool', type='dir', target={'path': '/p'}, opts=options)\n"
    )
    # `up`, because our provider dials a host with the first operation that needs it, and a preview needs none.
    code, said = pulumi(program, "up", "--yes", "--skip-preview")
    assert code != 0
    assert "failed to connect" in said
    assert str(socket) in said
