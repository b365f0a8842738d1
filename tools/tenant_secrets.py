"""The secrets of one stack: the passphrase of its state and, for the stack of a tenant, the key to its VMs.

Every stack has its own folder `STATE/secrets/STACK`, readable by its owner only: whoever is given one tenant's secrets
cannot read another's. They are made once and never overwritten here; a runbook changes them.
"""

import os
import secrets
import subprocess
from pathlib import Path

FOLDER = "secrets"
VARIABLE = "KUMIAI_SECRETS"
PASSPHRASE = "passphrase"  # noqa: S105 - the name of a file
PRIVATE_KEY = "id_ed25519"
PUBLIC_KEY = "id_ed25519.pub"
HOSTS_PREFIX = "hosts-"
KEYGEN_DEADLINE_S = 30


class SecretsError(Exception):
    """Secrets could not be made; one Japanese line."""


def stack_secrets(state: Path, stack: str) -> Path:
    """Answer the folder of a stack's secrets, and make what is missing in it. Raises SecretsError.

    A stack that was built while all had one passphrase (`STATE/passphrase`) keeps that one until it is changed.
    """
    if Path(stack).name != stack or stack in {"", ".", ".."}:
        raise SecretsError(f"スタックの名前「{stack}」は使えません")
    folder = state / FOLDER / stack
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (state / FOLDER).chmod(0o700)
    common = state / PASSPHRASE
    was_built = any((state / "stacks" / ".pulumi" / "stacks").glob(f"*/{stack}.json*"))
    text = common.read_text(encoding="ascii") if was_built and common.is_file() else secrets.token_urlsafe(32) + "\n"
    _appear(folder / PASSPHRASE, text)
    if not stack.startswith(HOSTS_PREFIX):
        _make_key(folder, stack)
    return folder


def _make_key(folder: Path, tenant: str) -> None:
    """An Ed25519 key pair without a passphrase of its own: it lies beside that of the state, equally protected."""
    private = folder / PRIVATE_KEY
    if not private.exists():
        fresh = folder / f".{PRIVATE_KEY}-{secrets.token_hex(4)}"
        try:
            _keygen("-q", "-t", "ed25519", "-N", "", "-C", f"kumiai-{tenant}", "-f", str(fresh))
            _appear(private, fresh.read_text(encoding="ascii"))
        finally:
            fresh.unlink(missing_ok=True)
            fresh.with_name(fresh.name + ".pub").unlink(missing_ok=True)
    if not (folder / PUBLIC_KEY).exists():
        # Of the private half that is there: another process may have been first, or was ended between the two.
        _appear(folder / PUBLIC_KEY, _keygen("-y", "-f", str(private)))


def _keygen(*words: str) -> str:
    try:
        done = subprocess.run(
            ["ssh-keygen", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=KEYGEN_DEADLINE_S,
            check=False,
        )
    except FileNotFoundError:
        raise SecretsError("ssh-keygen がありません（Debian のパッケージ：openssh-client）") from None
    except subprocess.TimeoutExpired:
        raise SecretsError(f"ssh-keygen が {KEYGEN_DEADLINE_S} 秒で終わりません") from None
    if done.returncode != 0:
        raise SecretsError(f"鍵を作れません（{done.stderr.strip()[:200]}）")
    return done.stdout


def _appear(path: Path, text: str) -> bool:
    """Write a file that its owner alone may read, whole or not at all; False where there is one already."""
    fresh = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
        os.link(fresh, path)
    except FileExistsError:
        return False
    finally:
        fresh.unlink()
    return True
