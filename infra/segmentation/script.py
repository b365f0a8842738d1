"""The one script that brings a machine's network to what is wanted, and keeps it there over a restart."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from infra.segmentation.parts import HostNetwork

FOLDER = "/etc/kumiai"
CHECK = ("sh", "-s", "check")
"""The command that reads `script` on its standard input and tells, without changing anything, how a machine differs."""
PROGRAM = Path(__file__).with_name("network.sh")
UNIT = """\
[Unit]
Description=kumiai: bridges and packet rules of the tenants' networks
Wants=network-online.target
After=network-online.target nftables.service
PartOf=nftables.service
Before=libvirtd.service virtqemud.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh /etc/kumiai/network.sh apply

[Install]
WantedBy=multi-user.target
RequiredBy=libvirtd.service virtqemud.service
"""
"""Guests start only after the rules stand: libvirtd needs this unit. A reload of nftables.service flushes all rules;
being part of it, the unit runs again."""

_SCRIPT = """\
#!/bin/sh
# {title}
# apply: brings this machine's network to the plan and installs itself; check: tells what apply would do (exit 1).
# Afterwards `sh /etc/kumiai/network.sh revert` goes back to what stood there before the last apply.
set -eu
mode=${{1:-apply}}
folder={folder}
unit=/etc/systemd/system/kumiai-network.service
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
cat >"$fresh/network.sh" <<'END_OF_PROGRAM'
{program}END_OF_PROGRAM
cat >"$fresh/links" <<'END_OF_LINKS'
{links}END_OF_LINKS
cat >"$fresh/network.nft" <<'END_OF_RULES'
{rules}END_OF_RULES
cat >"$fresh/kumiai-network.service" <<'END_OF_UNIT'
{unit}END_OF_UNIT
if [ "$mode" = apply ] && [ -f "$folder/network.sh" ]; then
    rm -rf "$folder/before"
    mkdir -p "$folder/before"
    for file in links network.nft network.sh; do cp "$folder/$file" "$folder/before/$file"; done
fi
code=0
sh "$fresh/network.sh" "$mode" || code=$?
[ "$code" -le 1 ] && {{ [ "$code" = 0 ] || [ "$mode" = check ]; }} || exit "$code"
keep() {{ # FILE DESTINATION: installed whole, after it has worked
    cmp -s "$fresh/$1" "$2" && return 1
    printf '%s を更新する\\n' "$2"
    if [ "$mode" = check ]; then
        code=1
        return 1
    fi
    cp "$fresh/$1" "$2.new"
    mv "$2.new" "$2"
}}
[ "$mode" = check ] || mkdir -p "$folder"
for file in links network.nft network.sh; do
    keep "$file" "$folder/$file" || true
done
if [ -d /run/systemd/system ] && keep kumiai-network.service "$unit"; then
    systemctl daemon-reload
    systemctl --quiet enable kumiai-network.service
fi
exit "$code"
"""


def script(network: HostNetwork, title: str) -> str:
    """The script for `sh`, with the argument `apply` (default) or `check`. `title` is one line of plain text.

    `check` ends with 0 where nothing is to be done, and with 1 otherwise; any other code is a failure.
    """
    return _SCRIPT.format(
        title=title, folder=FOLDER, program=_program(), links=network.links, rules=network.rules, unit=UNIT
    )


class ScriptFailedError(Exception):
    """The script could not tell. The message is what it said."""


def differences(code: int, output: str, errors: str) -> tuple[str, ...]:
    """How a machine's network differs from what is wanted, in Japanese lines, from what `CHECK` ended with and printed.

    What apply-network would put right comes first, then what somebody has to look at. Raises ScriptFailedError.
    """
    if code not in (0, 1):
        raise ScriptFailedError(" ".join((errors or output).split()) or f"終了コード {code}")
    return tuple(line for line in (*output.splitlines(), *errors.splitlines()) if line.strip())


@cache
def _program() -> str:
    return PROGRAM.read_text(encoding="utf-8")
