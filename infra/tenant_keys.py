"""The key that lets a tenant's engineer into the tenant's VMs: only its public half comes here."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from infra.refusal import RefusalError
from tools.tenant_secrets import PUBLIC_KEY, VARIABLE

OPENSSH_KEY = re.compile(r"(ssh-ed25519|ecdsa-sha2-[a-z0-9-]+|ssh-rsa) [A-Za-z0-9+/]+={0,2}( [\w.@-]+)?")


def authorized_key(tenant: str, environment: Mapping[str, str] = os.environ) -> str:
    """The tenant's public key, one line of OpenSSH. Raises RefusalError where there is none, or another thing."""
    folder = environment.get(VARIABLE)
    if not folder:
        raise RefusalError(
            f"環境変数 {VARIABLE} がありません（団体ごとの鍵の置き場所）。"
            f'eval "$(kumiai deploy --env --stack {tenant})" を先に実行してください'
        )
    path = Path(folder) / tenant / PUBLIC_KEY
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise RefusalError(
            f"団体「{tenant}」の公開鍵がありません（{path}）。"
            f'kumiai deploy、または eval "$(kumiai deploy --env --stack {tenant})" が作ります'
        ) from None
    if not OPENSSH_KEY.fullmatch(text):
        raise RefusalError(f"{path}: OpenSSH の公開鍵ではありません（秘密鍵を置いていないか確かめてください）")
    return text
