"""Isolation: what the hosts and gateways of a plan need for their networks, and whether they have it.

Everything is denied between tenants and between segments; `flows` are the whole allow list (layout.reachability).
Hosts keep networks apart and senders honest (`host`), gateways let the flows through (`gateway`); both are written in
the words of `links` and `nft`. One script installs either, or tells how the machine differs (`script`).
"""

from __future__ import annotations

from infra.segmentation.gateway import gateway_name, gateway_rules
from infra.segmentation.host import host_rules
from infra.segmentation.parts import HostNetwork, Port
from infra.segmentation.script import CHECK, ScriptFailedError, differences, script

__all__ = [
    "CHECK",
    "HostNetwork",
    "Port",
    "ScriptFailedError",
    "differences",
    "gateway_name",
    "gateway_rules",
    "host_rules",
    "script",
]
