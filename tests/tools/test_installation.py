"""Whose Pulumi is used, and what a run of it is told."""

import json
from pathlib import Path

import pytest

from tools.installation import (
    LANGUAGE_EXEC,
    LANGUAGE_HOST,
    PLUGIN_FOLDER,
    PROVIDER,
    Installation,
    corrections,
    engine_env,
    machine_installation,
)


def fake(program, prints=""):
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\necho '{prints}'\n", encoding="utf-8")
    program.chmod(0o755)


@pytest.fixture
def machine(tmp_path):
    """A machine with a suitable Pulumi in /opt/pulumi and the plugin in the user's home; answers its environment."""
    fake(tmp_path / "opt" / "pulumi", "v3.259.0")
    fake(tmp_path / "opt" / LANGUAGE_HOST)
    fake(tmp_path / "opt" / LANGUAGE_EXEC)
    fake(tmp_path / "home" / ".pulumi" / "plugins" / PLUGIN_FOLDER / PROVIDER)
    return {"PATH": f"{tmp_path / 'opt'}:/usr/bin:/bin", "HOME": str(tmp_path / "home")}


def test_suitable_machine_needs_no_build(machine, tmp_path):
    assert machine_installation(machine) == Installation(
        tmp_path / "opt", tmp_path / "home" / ".pulumi" / "plugins", built=False
    )


def test_pulumi_home_tells_where_plugins_lie(machine, tmp_path):
    (tmp_path / "home" / ".pulumi").rename(tmp_path / "elsewhere")
    assert machine_installation(machine) is None
    found = machine_installation({**machine, "PULUMI_HOME": str(tmp_path / "elsewhere")})
    assert found is not None
    assert found.plugins == tmp_path / "elsewhere" / "plugins"


def test_provider_on_path_decides_because_the_engine_prefers_it(machine, tmp_path):
    fake(tmp_path / "opt" / PROVIDER, "v0.5.4")
    assert machine_installation(machine) == Installation(tmp_path / "opt", None, built=False)
    fake(tmp_path / "opt" / PROVIDER, "0.5.3")
    assert machine_installation(machine) is None


@pytest.mark.parametrize("version", ["v3.258.0", "v3.259.0-dev", "3.259.0", ""])
def test_other_engine_version_is_refused(machine, tmp_path, version):
    fake(tmp_path / "opt" / "pulumi", version)
    assert machine_installation(machine) is None


@pytest.mark.parametrize(
    "lost",
    ["opt/pulumi", f"opt/{LANGUAGE_HOST}", f"opt/{LANGUAGE_EXEC}", f"home/.pulumi/plugins/{PLUGIN_FOLDER}/{PROVIDER}"],
)
def test_each_program_is_needed(machine, tmp_path, lost):
    (tmp_path / lost).unlink()
    assert machine_installation(machine) is None


def test_half_installed_plugin_is_refused(machine, tmp_path):
    (tmp_path / "home" / ".pulumi" / "plugins" / f"{PLUGIN_FOLDER}.partial").touch()
    assert machine_installation(machine) is None


def test_our_own_older_build_is_not_the_machines(machine, tmp_path):
    cache = tmp_path / "home" / ".cache" / "kumiai" / "tools" / "old"
    cache.parent.mkdir(parents=True)
    (tmp_path / "opt").rename(cache)
    assert machine_installation({**machine, "PATH": f"{cache}:/usr/bin:/bin"}) is None


def test_plugins_of_our_own_older_build_are_not_the_machines(machine, tmp_path):
    cache = tmp_path / "home" / ".cache" / "kumiai" / "tools" / "old"
    cache.mkdir(parents=True)
    plugins = tmp_path / "home" / ".pulumi" / "plugins"
    plugins.rename(cache / "plugins")
    plugins.symlink_to(cache / "plugins")
    assert machine_installation(machine) is None


@pytest.fixture
def ours(tmp_path):
    (tmp_path / "key" / "plugins").mkdir(parents=True)
    return Installation(tmp_path / "key" / "bin", tmp_path / "key" / "plugins", built=True)


def test_env_of_a_run(ours, tmp_path):
    state = tmp_path / "state"
    env = engine_env(ours, state, Path(".venv/bin/python"), {"PATH": "/usr/bin:/bin"}, "hita")
    assert env == {
        "KUMIAI_SECRETS": f"{state}/secrets",
        "KUMIAI_VERDICTS": f"{state}/verdicts",
        "PATH": f"{ours.bin}:/usr/bin:/bin",
        "PULUMI_BACKEND_URL": f"file://{state}/stacks",
        "PULUMI_CONFIG_PASSPHRASE_FILE": f"{state}/secrets/hita/passphrase",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_HOME": f"{state}/home",
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
        "PULUMI_PYTHON_CMD": str(Path.cwd() / ".venv/bin/python"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    assert (state / "stacks").is_dir()
    assert (state / "home" / "plugins").resolve() == ours.plugins


def test_no_passphrase_without_a_stack(ours, tmp_path):
    env = engine_env(ours, tmp_path / "state", Path("python"), {"PATH": "/usr/bin"})
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in env
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["home", "stacks"]


def test_env_twice_is_the_same(ours, tmp_path):
    first = engine_env(ours, tmp_path / "state", Path("python"), {"PATH": "/usr/bin"}, "hita")
    again = engine_env(ours, tmp_path / "state", Path("python"), {"PATH": first["PATH"]}, "hita")
    assert again == first


def test_the_variables_of_one_stack_do_not_stand_in_for_anothers(ours, tmp_path):
    first = engine_env(ours, tmp_path / "state", Path("python"), {"PATH": "/usr/bin"}, "hita")
    other = engine_env(ours, tmp_path / "state", Path("python"), first, "usuki")
    assert other["PULUMI_CONFIG_PASSPHRASE_FILE"] == f"{tmp_path}/state/secrets/usuki/passphrase"


def test_the_program_is_compiled_once_where_nothing_may_be_written_beside_it(ours, tmp_path):
    env = engine_env(ours, tmp_path / "state", Path("python"), {"PYTHONDONTWRITEBYTECODE": "1"})
    assert env["PYTHONDONTWRITEBYTECODE"] == ""
    assert env["PYTHONPYCACHEPREFIX"].startswith(str(tmp_path / "state"))


def test_newer_build_takes_over_the_link(ours, tmp_path):
    engine_env(ours, tmp_path / "state", Path("python"), {})
    (tmp_path / "new" / "plugins").mkdir(parents=True)
    newer = Installation(tmp_path / "new" / "bin", tmp_path / "new" / "plugins", built=True)
    engine_env(newer, tmp_path / "state", Path("python"), {})
    assert (tmp_path / "state" / "home" / "plugins").readlink() == newer.plugins


def test_folder_in_place_of_the_link_is_refused(ours, tmp_path):
    (tmp_path / "state" / "home" / "plugins").mkdir(parents=True)
    with pytest.raises(FileExistsError, match="リンク"):
        engine_env(ours, tmp_path / "state", Path("python"), {})


@pytest.mark.parametrize("secret", [{"PULUMI_CONFIG_PASSPHRASE": ""}, {"PULUMI_CONFIG_PASSPHRASE_FILE": "/etc/p"}])
def test_users_own_backend_and_passphrase_are_kept(ours, tmp_path, secret):
    env = engine_env(ours, tmp_path / "state", Path("python"), {"PULUMI_BACKEND_URL": "s3://b", **secret}, "t00")
    assert not {"PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE"} & env.keys()
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["home", "secrets"]


def test_provider_on_path_needs_path(tmp_path):
    env = engine_env(Installation(tmp_path / "bin", None, built=False), tmp_path / "state", Path("python"), {})
    assert "PULUMI_IGNORE_AMBIENT_PLUGINS" not in env
    assert not (tmp_path / "state" / "home" / "plugins").exists()


def test_a_provider_says_what_was_corrected_in_it(tmp_path):
    program = tmp_path / "home" / "plugins" / PLUGIN_FOLDER / PROVIDER
    fake(program, "define-only late-dial")
    env = {"PULUMI_HOME": str(tmp_path / "home"), "PATH": str(tmp_path / "bin")}
    assert corrections(env) == {"define-only", "late-dial"}
    # The vendor's knows no such question: it prints its usage and fails.
    program.write_text("#!/bin/sh\necho usage\nexit 2\n", encoding="utf-8")
    assert corrections(env) == frozenset()
    program.unlink()
    fake(tmp_path / "bin" / PROVIDER, "define-only")
    assert corrections(env) == {"define-only"}
    assert corrections({"PATH": str(tmp_path)}) == frozenset()


def test_the_provider_says_every_correction_that_the_build_applies():
    sources = Path(__file__).parents[2] / "tools" / "provider"
    said = (sources / "main.go").read_text(encoding="utf-8").partition('const corrections = "')[2].partition('"')[0]
    listed = {change["name"] for change in json.loads((sources / "corrections.json").read_text(encoding="utf-8"))}
    assert listed <= set(said.split())
