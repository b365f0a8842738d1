"""The text of nftables: sets, chains and tables as every machine of a plan has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from infra.segmentation.links import VXLAN_PORT
from layout.uplinks import Uplink

TABLE = "kumiai"
INDENT = "    "


def named_set(name: str, kind: str, elements: Iterable[str], what: str = "set") -> str:
    """A named set of nftables; one without elements is written without them."""
    listed = "".join(f"{INDENT * 3}{element},\n" for element in elements)
    body = f"{INDENT * 2}elements = {{\n{listed}{INDENT * 2}}}\n" if listed else ""
    return f"{INDENT}{what} {name} {{\n{INDENT * 2}type {kind}\n{body}{INDENT}}}\n"


def chain(name: str, rules: Iterable[str], hook: str = "") -> str:
    """A chain; `hook` is the line that hangs it into the path of packets."""
    head = f"{INDENT * 2}{hook}\n" if hook else ""
    return f"{INDENT}chain {name} {{\n{head}{''.join(f'{INDENT * 2}{rule}{chr(10)}' for rule in rules)}{INDENT}}}\n"


def table(family: str, *parts: str) -> str:
    """A whole table."""
    return f"table {family} {TABLE} {{\n{''.join(parts)}}}\n"


def fresh(families: Sequence[str]) -> str:
    """In the same transaction the old tables go: an empty one is declared first, so that there is one to delete."""
    return "".join(f"table {family} {TABLE}\ndelete table {family} {TABLE}\n" for family in families)


def quoted(names: Iterable[str]) -> list[str]:
    """Names of devices as nftables wants them."""
    return [f'"{name}"' for name in names]


def tunnel_rules(uplink: Uplink) -> list[str]:
    """Tunnels end here only for the machines of the plan: nobody else puts frames into a tenant's network."""
    if uplink.kind != "vxlan":
        return []
    return [
        f'iifname "{uplink.device}" udp dport {VXLAN_PORT} ip saddr @peers accept',
        f"udp dport {VXLAN_PORT} counter drop",
    ]
