"""Which hosts answer? Asked before anything is built, because one that does not would fail whatever touches it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from layout import FolderError, connections

DEADLINE_S = 10.0
AT_ONCE = 8


def unreachable(uris: Mapping[str, str], deadline_s: float = DEADLINE_S) -> dict[str, str]:
    """The hosts whose libvirtd does not answer within `deadline_s` seconds, and why, of host to the provider's URI."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = {host: pool.submit(_reason, host, uri, deadline_s) for host, uri in uris.items()}
        return {host: reason for host, answer in asked.items() if (reason := answer.result())}


def _reason(host: str, uri: str, deadline_s: float) -> str:
    """Why the host's libvirtd does not answer; empty when it does."""
    try:
        address = connections.parse(host, uri).virsh_uri
    except FolderError as error:
        return str(error)
    try:
        # `version` also asks the hypervisor's driver; it changes nothing and needs no privilege of its own.
        done = subprocess.run(
            ["virsh", "--quiet", "--connect", address, "version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=deadline_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{deadline_s:.0f} 秒たっても答えません"
    if done.returncode == 0:
        return ""
    lines = [line.strip().removeprefix("error: ") for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"virsh の終了コード {done.returncode}"
