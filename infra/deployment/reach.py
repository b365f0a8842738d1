"""Which hosts answer? Asked before anything is built, because one that does not would fail whatever touches it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from infra.observing.virsh import Hosts, SilentHostError
from layout import FolderError

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
        # `version` also asks the hypervisor's driver; it changes nothing and needs no privilege of its own.
        Hosts({host: uri}).virsh(host, "version", deadline_s=deadline_s)
    except FolderError as error:
        return str(error)
    except SilentHostError as error:
        return str(error).removeprefix(f"{host}：")
    return ""
