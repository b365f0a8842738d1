"""Keys change through a guest agent: the old one goes, whatever else lets people in stays."""

from __future__ import annotations

import json
import os
import sys

import pytest

from runbooks import guest_keys
from runbooks.guest_keys import Guest, GuestKeysError, material

OLD, NEW, OTHER = "AAAAold", "AAAAnew", "AAAAother"
REFUSAL = 'no-agent-forwarding,command="echo Please login as the user debian;exit 142"'
AGENT = """#!{python}
# virsh in front of an agent, as far as keys go; its accounts are in the file ACCOUNTS.
import json, os, sys
asked = json.loads(sys.argv[-1])
path = os.environ["ACCOUNTS"]
accounts = json.load(open(path))
with open(path + ".log", "a") as log:
    log.write(asked["execute"] + "\\n")
def refuse(text):
    sys.stderr.write("error: " + text + "\\n")
    sys.exit(1)
def answer(value):
    print(json.dumps({{"return": value}}))
    sys.exit(0)
if "silent" in accounts:
    refuse("Guest agent is not responding: QEMU guest agent is not connected")
if asked["execute"] == "guest-ping":
    answer({{}})
if "old agent" in accounts:
    refuse("internal error: unable to execute QEMU agent command: The command " + asked["execute"] + " is not found")
account, lines = asked["arguments"]["username"], asked["arguments"].get("keys")
if account not in accounts:
    refuse("internal error: unable to execute QEMU agent command: failed to lookup user '" + account + "'")
kept = accounts[account]
if lines is None and kept is None:
    refuse("internal error: failed to read: Failed to open file: No such file or directory")
if lines is None:
    answer({{"keys": kept}})
if asked["execute"] == "guest-ssh-remove-authorized-keys":
    accounts[account] = [each for each in kept if each not in lines]
elif not accounts.get("forgetful"):
    accounts[account] = kept + [each for each in lines if each not in kept]
json.dump(accounts, open(path, "w"))
answer({{}})
"""


@pytest.fixture
def accounts(tmp_path, monkeypatch):
    """A VM's accounts, by the file that the double of virsh keeps them in; `write` and `read` it."""
    virsh = tmp_path / "bin" / "virsh"
    virsh.parent.mkdir()
    virsh.write_text(AGENT.format(python=sys.executable))
    virsh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{virsh.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("ACCOUNTS", str(tmp_path / "accounts"))
    for name, key in (("old.pub", OLD), ("new.pub", NEW)):
        (tmp_path / name).write_text(f"ssh-ed25519 {key} kumiai-hyuga\n")
    return tmp_path / "accounts"


def write(accounts, **lines) -> None:
    accounts.write_text(json.dumps(lines))


def read(accounts) -> dict:
    return json.loads(accounts.read_text())


def ask(accounts, question: str, *more: str) -> int:
    files = ("old.pub", "new.pub")
    old, new = (str(accounts.parent / name) for name in files)
    keys = ("--keys", old, new) if question == "holders" else ("--old", old, "--new", new)
    return guest_keys.main([question, "--uri", "qemu:///system", "--vm", "vm01", *keys, "--accounts", *more])


def test_the_accounts_that_the_key_opens_are_found(accounts, capsys):
    write(accounts, root=[f"{REFUSAL} ssh-ed25519 {OLD} k"], debian=[f"ssh-ed25519 {OLD}"], rocky=None, alma=["# x"])
    assert ask(accounts, "holders", "root", "nobody", "debian", "rocky", "alma") == 0
    assert capsys.readouterr().out.split() == ["root", "debian"]


def test_an_account_that_has_the_new_key_already_is_found_again(accounts, capsys):
    write(accounts, debian=[f"ssh-ed25519 {NEW}"])
    assert ask(accounts, "holders", "debian") == 0
    assert capsys.readouterr().out.split() == ["debian"]


@pytest.mark.parametrize("trouble", ["silent", "old agent"])
def test_a_vm_whose_agent_tells_no_keys_is_one_to_do_by_hand(accounts, capsys, trouble):
    write(accounts, debian=[f"ssh-ed25519 {OLD}"], **{trouble: True})
    assert ask(accounts, "holders", "debian") == 0
    assert capsys.readouterr().out == ""


def test_only_the_old_key_goes(accounts):
    mine = f"ssh-rsa {OTHER} somebody"
    write(accounts, root=[f"{REFUSAL} ssh-ed25519 {OLD} k"], debian=[mine, f"ssh-ed25519 {OLD} k"])
    assert ask(accounts, "replaced", "root", "debian") == 1
    assert ask(accounts, "replace", "root", "debian") == 0
    assert read(accounts) == {"root": [f"{REFUSAL} ssh-ed25519 {NEW} k"], "debian": [mine, f"ssh-ed25519 {NEW} k"]}
    assert ask(accounts, "replaced", "root", "debian") == 0


def test_the_new_key_comes_before_the_old_one_goes(accounts):
    write(accounts, debian=[f"ssh-ed25519 {OLD}"])
    assert ask(accounts, "replace", "debian") == 0
    log = (accounts.parent / "accounts.log").read_text().splitlines()
    order = [line.removeprefix("guest-ssh-").removesuffix("-authorized-keys") for line in log]
    assert order == ["get", "add", "get", "remove"]


def test_half_a_replacement_is_not_one(accounts):
    write(accounts, debian=[f"ssh-ed25519 {OLD}", f"ssh-ed25519 {NEW}"])
    assert ask(accounts, "replaced", "debian") == 1
    assert ask(accounts, "replace", "debian") == 0
    assert read(accounts) == {"debian": [f"ssh-ed25519 {NEW}"]}


def test_twice_is_once(accounts):
    write(accounts, debian=[f"ssh-ed25519 {OLD}"])
    assert [ask(accounts, "replace", "debian") for _ in range(2)] == [0, 0]
    assert read(accounts) == {"debian": [f"ssh-ed25519 {NEW}"]}


def test_the_old_key_stays_where_the_new_one_did_not_get_in(accounts, capsys):
    write(accounts, debian=[f"ssh-ed25519 {OLD}"], forgetful=True)
    assert ask(accounts, "replace", "debian") == 1
    assert read(accounts)["debian"] == [f"ssh-ed25519 {OLD}"]
    assert capsys.readouterr().err == "vm01 の debian に、新しい鍵が入りませんでした。古い鍵は残しました\n"


@pytest.mark.parametrize("answer", ["", "{}", "[]", "no JSON"])
def test_an_answer_that_is_none_is_named(accounts, answer):
    (accounts.parent / "bin" / "virsh").write_text(f"#!/bin/sh\necho '{answer}'\n")
    with pytest.raises(GuestKeysError, match="vm01 のゲストエージェントの答えを読めません"):
        Guest("qemu:///system", "vm01").keys("root")


def test_an_agent_that_hangs_is_named(accounts, monkeypatch):
    (accounts.parent / "bin" / "virsh").write_text("#!/bin/sh\nexec sleep 30\n")
    monkeypatch.setattr(guest_keys, "ASK_S", 0.2)
    guest = Guest("qemu:///system", "vm01")
    assert not guest.answers()
    with pytest.raises(GuestKeysError, match="vm01 のゲストエージェントが"):
        guest.keys("root")


@pytest.mark.parametrize("text", ["", "\n", "ssh-ed25519\n"])
def test_a_file_without_a_key_is_refused(text):
    with pytest.raises(GuestKeysError, match="公開鍵のファイルではありません"):
        material(text)


def test_a_file_that_is_not_there_is_named(accounts, capsys):
    write(accounts, debian=[])
    (accounts.parent / "new.pub").unlink()
    assert ask(accounts, "replace", "debian") == 1
    assert "new.pub を読めません" in capsys.readouterr().err
