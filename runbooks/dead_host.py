"""A host that is dead for good: is it, what is lost with it, and how Pulumi's records go on without it.

`python -m runbooks.dead_host QUESTION …` is what the runbook `restore-dead-host-vms` calls.
"""

from __future__ import annotations

import argparse
import copy
import json
import socket
import subprocess
import sys
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from layout import FolderError, connections, folder
from layout.records import Layout, VmRecord
from runbooks.backups import JAPAN, age_in_business_days

ASK_S = 20.0
SSH_PORT = 22
GREETING = b"SSH-"
PROVIDER = "pulumi:providers:libvirt"
STACK = "pulumi:pulumi:Stack"
Deployment = dict[str, Any]


class DeadHostError(Exception):
    """The record is none, or cannot be changed so. One Japanese line."""


def sign_of_life(host: str, uri: str, wait_s: float = ASK_S) -> str:
    """What the host answered, by libvirt or by ssh; empty where it is silent. Raises FolderError for a wrong URI.

    A host whose libvirtd alone died still runs its VMs, so that ssh counts as much. A port that is accepted and closed
    again is no answer: it may be that of a relay.
    """
    found = connections.parse(host, uri)
    if found.transport == "ssh":
        try:
            with socket.create_connection((found.address, found.port or SSH_PORT), timeout=wait_s) as line:
                line.settimeout(wait_s)
                greeting = line.recv(80)
        except OSError:
            greeting = b""
        if greeting.startswith(GREETING):
            return f"ssh が答えました（{greeting.decode('ascii', 'replace').strip()}）"
    try:
        asked = subprocess.run(
            ["virsh", "--quiet", "--connect", found.virsh_uri, "version"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=wait_s, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return ""
    return "libvirt が答えました" if asked.returncode == 0 else ""


def losses(sources: Mapping[str, Mapping[str, str]], now: datetime, anew: Collection[str] = ()) -> list[str]:
    """For each VM which backup it gets, and how much of its work is lost with that, in the order given; then `anew`."""
    lines = []
    for vm, source in sources.items():
        begun = datetime.fromisoformat(source["begun"]).astimezone(JAPAN)
        age = age_in_business_days(begun, now)
        over = "" if age <= 1 else "、RPO（1 営業日前）を超える"
        lines.append(
            f"{vm}：{begun:%Y-%m-%d %H:%M} の時点に戻る（{_span(now - begun)}分の入力が失われる。"
            f"{age} 営業日前{over}。世代 {source['generation']}、{source['host']}）"
        )
    return lines + [f"{vm}：バックアップがないので、空のディスクで作り直す（データはすべて失われる）" for vm in anew]


def _span(time: timedelta) -> str:
    minutes = max(0, round(time.total_seconds() / 60))
    days, rest = divmod(minutes, 24 * 60)
    return f"{days} 日と " * bool(days) + f"{rest // 60} 時間 {rest % 60} "


def standing_on(deployment: Mapping[str, Any], host: str) -> list[str]:
    """What of a stack's record is on the host, by name: resources of its provider, and places that it tells of."""
    found = [_name(each) for each in _resources(deployment) if _host_of(each) == host]
    for each in _resources(deployment):
        placement = (each.get("outputs") or {}).get("placement") if each.get("type") == STACK else None
        found += [vm for vm, place in (placement or {}).items() if place == host]
    return list(dict.fromkeys(found))


def rehoused(
    deployment: Mapping[str, Any], host: str, layout: Layout, uris: Mapping[str, str], anew: Collection[str] = ()
) -> Deployment:
    """The record of a tenant's stack with everything that was on the host on the planned host of its VM.

    The VMs were brought there under the same names, UUIDs and paths, so that nothing else of their records changes.
    What was on the host of VMs `anew` is forgotten: the next deployment makes them.
    Raises DeadHostError for what belongs to no VM of the plan, and where the plan keeps a VM on the host.
    """
    made = copy.deepcopy(dict(deployment))
    lost = {name for vm in layout.vms if vm.id in anew for name in _names(vm)}
    made["resources"] = [each for each in _resources(made) if _host_of(each) != host or _name(each) not in lost]
    homes = {name: vm.host for vm in layout.vms for name in _names(vm)}
    for each in [each for each in _resources(made) if _host_of(each) == host]:
        home = homes.get(_name(each))
        if home is None:
            raise DeadHostError(f"記録の「{_name(each)}」は、計画のどの仮想サーバのものでもありません")
        if home == host:
            raise DeadHostError(f"計画では「{_name(each)}」がまだ {host} にあります")
        each["provider"] = _provider(made, host, home, uris.get(home) or _uri(layout, home))
    for each in _resources(made):
        if each.get("type") == STACK:
            placement = (each.get("outputs") or {}).get("placement") or {}
            for vm in anew:
                if placement.get(vm) == host:
                    del placement[vm]
            placement.update({vm.id: vm.host for vm in layout.vms if placement.get(vm.id) == host})
    return _without_provider(made, host)


def forgotten(deployment: Mapping[str, Any], host: str) -> Deployment:
    """The record of a site's stack without the host's pools, networks and images.

    Its connection stays: the program declares one for every host of the plan, and the engine would make it anew.
    """
    made = copy.deepcopy(dict(deployment))
    gone = {each["urn"] for each in _resources(made) if _host_of(each) == host}
    made["resources"] = [each for each in _resources(made) if each["urn"] not in gone]
    for each in made["resources"]:
        if each.get("dependencies"):
            each["dependencies"] = [urn for urn in each["dependencies"] if urn not in gone]
    return made


def _resources(deployment: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = deployment.get("resources") or []
    if not isinstance(found, list):
        raise DeadHostError("Pulumi の記録として読めません")
    return found


def _name(resource: Mapping[str, Any]) -> str:
    return str(resource["urn"]).rpartition("::")[2]


def _host_of(resource: Mapping[str, Any]) -> str:
    """The host of a resource's provider, whose reference is `URN::ID`; empty for what has none."""
    parts = str(resource.get("provider") or "").split("::")
    return parts[-2] if len(parts) > 2 and PROVIDER in parts[-3] else ""


def _names(vm: VmRecord) -> tuple[str, ...]:
    """Everything that the program names after a VM."""
    return (vm.id, f"{vm.id}-seed", *(disk.name for disk in vm.disks))


def _uri(layout: Layout, host: str) -> str:
    return next(each.uri for each in layout.hosts if each.id == host)


def _provider(deployment: Deployment, gone: str, host: str, uri: str) -> str:
    """The reference to the connection of `host`; where the record has none, it gets one like that of the dead host."""
    known = [each for each in _resources(deployment) if each.get("type") == PROVIDER and _name(each) == host]
    if not known:
        place = next(
            number
            for number, each in enumerate(_resources(deployment))
            if each.get("type") == PROVIDER and _name(each) == gone
        )
        fresh = copy.deepcopy(_resources(deployment)[place])
        fresh["urn"] = str(fresh["urn"]).rpartition("::")[0] + f"::{host}"
        fresh["id"] = str(uuid.uuid4())
        for side in ("inputs", "outputs"):
            if "uri" in (fresh.get(side) or {}):
                fresh[side]["uri"] = uri
        # Before everything that refers to it.
        deployment["resources"].insert(place, fresh)
        known = [fresh]
    return f"{known[0]['urn']}::{known[0]['id']}"


def _without_provider(deployment: Deployment, host: str) -> Deployment:
    deployment["resources"] = [
        each for each in _resources(deployment) if each.get("type") != PROVIDER or _name(each) != host
    ]
    return deployment


def main(arguments: Sequence[str] | None = None) -> int:
    """What the runbook calls. Answers the exit code: 0, or 1 with Japanese lines."""
    chosen = _parser().parse_args(arguments)
    try:
        if chosen.question == "silent":
            layout = folder.read_planned(chosen.plan).layout
            sign = sign_of_life(chosen.host, _uris(chosen).get(chosen.host) or _uri(layout, chosen.host))
            sys.stdout.write(f"{sign}\n" if sign else "")
            return 1 if sign else 0
        told = json.loads(sys.stdin.read())
        if chosen.question == "losses":
            sys.stdout.write(
                "".join(f"{line}\n" for line in losses(told, datetime.fromisoformat(chosen.now), chosen.anew))
            )
            return 0
        record = told["deployment"]
        if chosen.question == "stands":
            found = standing_on(record, chosen.host)
            sys.stdout.write("".join(f"{name}\n" for name in found))
            return 1 if found else 0
        if chosen.question == "forget":
            record = forgotten(record, chosen.host)
        else:
            layout = folder.read_planned(chosen.plan).layout
            record = rehoused(record, chosen.host, layout, _uris(chosen), chosen.anew)
        sys.stdout.write(json.dumps({**told, "deployment": record}, ensure_ascii=False) + "\n")
    except (FolderError, DeadHostError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (ValueError, KeyError, TypeError, AttributeError):
        sys.stderr.write("Pulumi の記録として読めません\n")
        return 1
    return 0


def _uris(chosen: argparse.Namespace) -> dict[str, str]:
    return connections.read_uris(Path(chosen.uris)) if chosen.uris else {}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runbooks.dead_host", description="二度と戻らないホスト")
    questions = parser.add_subparsers(dest="question", required=True)
    silent = questions.add_parser("silent", help="答えないこと（答えれば終了コード 1）")
    lost = questions.add_parser("losses", help="戻る時点（標準入力：runbooks.backups sources の答え）")
    lost.add_argument("--now", required=True)
    stands = questions.add_parser("stands", help="記録にそのホストがないこと（標準入力：pulumi stack export）")
    moved = questions.add_parser("rehouse", help="団体の記録を計画のホストへ書き換える（同上）")
    for each in (silent, moved):
        each.add_argument("--plan", type=Path, required=True)
        each.add_argument("--uris", default="")
    for each in (lost, moved):
        each.add_argument("--anew", nargs="*", default=(), help="バックアップがなく、空で作り直す仮想サーバ")
    gone = questions.add_parser("forget", help="拠点の記録からそのホストを除く（同上）")
    for each in (silent, stands, moved, gone):
        each.add_argument("--host", required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
