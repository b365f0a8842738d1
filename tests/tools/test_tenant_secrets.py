"""Every stack has secrets of its own, readable by their owner only, made once."""

import stat
import subprocess

import pytest

from tools.tenant_secrets import SecretsError, stack_secrets


def modes(folder):
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_a_tenants_stack_has_a_passphrase_and_a_key(tmp_path):
    folder = stack_secrets(tmp_path, "hita")
    assert folder == tmp_path / "secrets" / "hita"
    assert modes(folder) == {"passphrase": 0o600, "id_ed25519": 0o600, "id_ed25519.pub": 0o600}
    assert modes(tmp_path) == {"secrets": 0o700}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    said = subprocess.run(
        ["ssh-keygen", "-l", "-f", str(folder / "id_ed25519")], capture_output=True, text=True, check=True
    )
    assert "ED25519" in said.stdout
    assert "kumiai-hita" in said.stdout
    assert (folder / "id_ed25519.pub").read_text(encoding="ascii").startswith("ssh-ed25519 AAAA")


def test_no_two_stacks_share_one(tmp_path):
    first, second = (stack_secrets(tmp_path, name) for name in ("hita", "usuki"))
    for name in ("passphrase", "id_ed25519", "id_ed25519.pub"):
        assert (first / name).read_bytes() != (second / name).read_bytes()
    assert len((first / "passphrase").read_text(encoding="ascii").strip()) >= 32


def test_hosts_need_no_key(tmp_path):
    assert modes(stack_secrets(tmp_path, "hosts-nobeoka")) == {"passphrase": 0o600}


def test_what_is_there_stays(tmp_path):
    folder = stack_secrets(tmp_path, "hita")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    stack_secrets(tmp_path, "hita")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_public_half_comes_back_from_the_private_one(tmp_path):
    folder = stack_secrets(tmp_path, "hita")
    public = (folder / "id_ed25519.pub").read_text(encoding="ascii")
    (folder / "id_ed25519.pub").unlink()
    stack_secrets(tmp_path, "hita")
    assert (folder / "id_ed25519.pub").read_text(encoding="ascii").split()[:2] == public.split()[:2]


def test_a_stack_that_was_built_with_the_common_passphrase_keeps_it(tmp_path):
    (tmp_path / "passphrase").write_text("of all\n", encoding="ascii")
    record = tmp_path / "stacks" / ".pulumi" / "stacks" / "kumiai" / "hita.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}", encoding="utf-8")
    assert (stack_secrets(tmp_path, "hita") / "passphrase").read_text(encoding="ascii") == "of all\n"
    assert (stack_secrets(tmp_path, "usuki") / "passphrase").read_text(encoding="ascii") != "of all\n"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc"])
def test_no_name_leads_elsewhere(tmp_path, name):
    with pytest.raises(SecretsError):
        stack_secrets(tmp_path, name)


def test_without_ssh_keygen_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SecretsError, match="openssh-client"):
        stack_secrets(tmp_path, "hita")
    assert not (tmp_path / "secrets" / "hita" / "id_ed25519").exists()
