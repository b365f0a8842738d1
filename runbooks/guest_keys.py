"""The keys by which people log in to a running VM, read and changed through its guest agent.

`python -m runbooks.guest_keys QUESTION …` is what the runbook `rotate-keys` calls.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ASK_S = 30.0
AGENT_S = 15  # how long libvirt waits for the agent's answer
# What the agent says of an account that does not exist, and of one that has no keys (qga/commands-posix-ssh.c).
NO_KEYS = ("failed to lookup user", "No such file or directory")


class GuestKeysError(Exception):
    """The agent did not do what it was asked. One Japanese line."""


@dataclass(frozen=True)
class Guest:
    """A VM on a host; `uri` is virsh's.

    The agent is asked itself: `virsh get-user-sshkeys` of libvirt 9.0 prints one account's keys without line breaks.
    """

    uri: str
    vm: str

    def answers(self) -> bool:
        """Whether an agent in the VM answers."""
        try:
            self._ask("guest-ping")
        except GuestKeysError:
            return False
        return True

    def keys(self, account: str) -> list[str]:
        """The lines of the account's authorized_keys; none where there is no such account. Raises GuestKeysError."""
        try:
            answer = self._ask("guest-ssh-get-authorized-keys", username=account)
        except GuestKeysError as error:
            if any(words in str(error) for words in NO_KEYS):
                return []
            raise
        lines = answer.get("keys") if isinstance(answer, dict) else None
        if not isinstance(lines, list):
            raise GuestKeysError(f"{self.vm} のゲストエージェントの答えに鍵がありません：{str(answer)[:80]}")
        return [str(line) for line in lines]

    def add(self, account: str, lines: Sequence[str]) -> None:
        """Adds lines to the account's authorized_keys; those it has already stay single. Raises GuestKeysError."""
        self._ask("guest-ssh-add-authorized-keys", username=account, keys=list(lines))

    def remove(self, account: str, lines: Sequence[str]) -> None:
        """Takes exactly these lines out of the account's authorized_keys. Raises GuestKeysError."""
        self._ask("guest-ssh-remove-authorized-keys", username=account, keys=list(lines))

    def _ask(self, command: str, **arguments: object) -> object:
        words = ["virsh", "--quiet", "--connect", self.uri, "qemu-agent-command", "--timeout", str(AGENT_S), self.vm]
        asked = json.dumps({"execute": command, "arguments": arguments} if arguments else {"execute": command})
        try:
            done = subprocess.run(
                [*words, asked], env=os.environ | {"LC_ALL": "C.UTF-8"}, stdin=subprocess.DEVNULL, capture_output=True,
                text=True, errors="replace", timeout=ASK_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise GuestKeysError(f"{self.vm} のゲストエージェントが {ASK_S:.0f} 秒以内に答えません") from None
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or [f"終了コード {done.returncode}"])[-1]
            raise GuestKeysError(f"{self.vm} のゲストエージェントが断りました：{last}")
        try:
            answer: object = json.loads(done.stdout)["return"]
        except (ValueError, KeyError, TypeError):
            raise GuestKeysError(f"{self.vm} のゲストエージェントの答えを読めません：{done.stdout[:80]!r}") from None
        return answer


def holders(guest: Guest, accounts: Sequence[str], keys: Sequence[str]) -> list[str]:
    """Which of the accounts let in whoever has one of these keys; none where no agent answers, or not about keys.

    An agent before QEMU 5.2, and one that is forbidden to, tells no keys: that VM is one to do by hand.
    """
    if not guest.answers():
        return []
    try:
        return [account for account in accounts if _holding(guest.keys(account), keys)]
    except GuestKeysError as error:
        sys.stderr.write(f"{error}\n")
        return []


def replaced(guest: Guest, accounts: Sequence[str], old: str, new: str) -> bool:
    """Whether all of the accounts have the new key, and none the old one. Raises GuestKeysError."""
    lines = [guest.keys(account) for account in accounts]
    return all(_holding(each, [new]) and not _holding(each, [old]) for each in lines)


def replace(guest: Guest, accounts: Sequence[str], old: str, new: str) -> None:
    """Puts the new key where the accounts have the old one; other keys stay. Raises GuestKeysError.

    A line keeps its options: cloud-init's key of root only tells which account is to be used instead. The new line is
    there before the old one goes, so that nobody is locked out where this is cut off.
    """
    for account in accounts:
        stale = _holding(guest.keys(account), [old])
        fresh = [line.replace(old, new) for line in stale]
        if not stale:
            continue
        guest.add(account, fresh)
        missing = set(fresh) - set(guest.keys(account))
        if missing:
            raise GuestKeysError(f"{guest.vm} の {account} に、新しい鍵が入りませんでした。古い鍵は残しました")
        guest.remove(account, stale)


def _holding(lines: Sequence[str], keys: Sequence[str]) -> list[str]:
    return [line for line in lines if any(key in line.split() for key in keys)]


def material(text: str) -> str:
    """The key itself of a public key's line `TYPE KEY COMMENT`. Raises GuestKeysError."""
    words = text.split()
    if len(words) < 2:
        raise GuestKeysError("公開鍵のファイルではありません（期待：種類、鍵、注釈の 1 行）")
    return words[1]


def _material_of(path: Path) -> str:
    try:
        return material(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise GuestKeysError(f"{path} を読めません：{error}") from None


def _holders(options: argparse.Namespace) -> int:
    keys = [_material_of(path) for path in options.keys]
    for account in holders(Guest(options.uri, options.vm), options.accounts, keys):
        sys.stdout.write(f"{account}\n")
    return 0


def _replaced(options: argparse.Namespace) -> int:
    old, new = _material_of(options.old), _material_of(options.new)
    return 0 if replaced(Guest(options.uri, options.vm), options.accounts, old, new) else 1


def _replace(options: argparse.Namespace) -> int:
    replace(Guest(options.uri, options.vm), options.accounts, _material_of(options.old), _material_of(options.new))
    return 0


QUESTIONS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "holders": _holders,
    "replaced": _replaced,
    "replace": _replace,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Answers one question; 1 and a Japanese line where it cannot."""
    parser = argparse.ArgumentParser(prog="python -m runbooks.guest_keys")
    questions = parser.add_subparsers(dest="question", required=True)
    for name in QUESTIONS:
        question = questions.add_parser(name)
        question.add_argument("--uri", required=True)
        question.add_argument("--vm", required=True)
        question.add_argument("--accounts", nargs="+", required=True)
        if name == "holders":
            question.add_argument("--keys", type=Path, nargs="+", required=True)
        else:
            question.add_argument("--old", type=Path, required=True)
            question.add_argument("--new", type=Path, required=True)
    options = parser.parse_args(arguments)
    try:
        return QUESTIONS[options.question](options)
    except GuestKeysError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
