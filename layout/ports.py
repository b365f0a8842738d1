"""What a VM's port is called on whatever host it runs: the rules that guard a port know it by this name."""

from __future__ import annotations

PORT_PREFIX = "kv"
"""Of every port of a planned VM; a port that begins so and is in no plan is let through nowhere."""


def port_name(mac: str) -> str:
    """The name of the network device by which a VM with this MAC hangs on its host's bridge, e.g. `kv00012f`.

    The last three bytes tell VMs apart; where two MACs share them the rules cannot be made (`infra.segmentation`).
    """
    return PORT_PREFIX + mac.replace(":", "")[-6:].lower()
