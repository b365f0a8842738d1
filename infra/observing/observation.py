"""Asks hosts what they really run, through `virsh`, many at once and never for longer than a deadline.

Two runs of `virsh` for each host: it tells what exists, then what each of it is. Its commands go to its standard
input, so that no name of a volume or a network ever reaches a shell or the list of processes.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
import uuid as identifiers
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from infra.observing import observed
from infra.observing.observed import Domain, HostObservation, ObservationError, Pool, Unreachable
from layout import FolderError, connections

DEADLINE_S = 20.0
AT_ONCE = 16
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def has_virsh() -> bool:
    """Whether this machine can ask hosts at all."""
    return shutil.which("virsh") is not None


def observe_all(uris: Mapping[str, str], *, deadline_s: float = DEADLINE_S) -> dict[str, HostObservation | Unreachable]:
    """What each host runs, or why it did not say; hosts in parallel, `deadline_s` for each."""
    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        asked = {host: pool.submit(observe, host, uri, deadline_s=deadline_s) for host, uri in uris.items()}
        return {host: future.result() for host, future in asked.items()}


def observe(host: str, uri: str, *, deadline_s: float = DEADLINE_S) -> HostObservation | Unreachable:
    """What one host runs, or why it did not say within `deadline_s` seconds."""
    if not has_virsh():
        return Unreachable(host, "この計算機に virsh がありません（Debian のパッケージ：libvirt-clients）")
    until = time.monotonic() + deadline_s
    try:
        address = connections.parse(host, uri).virsh_uri
        first = ("version", "nodememstats", "list --all --uuid", "list --all --autostart --uuid",
                 "pool-list --all", "net-list --all")  # fmt: skip
        version, memory, all_, autostart, pools, networks = _virsh(address, first, until)
        # A pool's or network's own name may hold two blanks; those that do cannot be asked for and are left out.
        named = {row[0]: row[1] == "active" for row in observed.table(pools) if len(row) >= 2}
        return HostObservation(
            host=host,
            uri=uri,
            version=" ".join(re.findall(r"(?:library|hypervisor): (.+)", version)),
            memory_available_mib=observed.available_mib(memory),
            domains=_domains(address, _uuids(all_), set(_uuids(autostart)), until),
            pools=_pools(address, named, until),
            networks={row[0]: row[1] == "active" for row in observed.table(networks) if len(row) >= 2},
        )
    except (ObservationError, FolderError) as error:
        return Unreachable(host, str(error))


def _uuids(text: str) -> list[str]:
    return [match.group() for match in _UUID.finditer(text)]


def _domains(address: str, uuids: Sequence[str], autostart: set[str], until: float) -> tuple[Domain, ...]:
    asked = [
        f"{command} {uuid}"
        for uuid in uuids
        for command in ("domstate", "dumpxml", "dumpxml --inactive", "snapshot-list --external --name")
    ]
    answers = iter(_virsh(address, asked, until))
    found = []
    for uuid in uuids:
        state, live, inactive, snapshots = (next(answers).strip() for _ in range(4))
        if not live:
            continue  # it went while we asked
        running = observed.parse_xml(live)
        active = running.get("id") is not None
        _, name = observed.identity(running)
        found.append(
            Domain(
                uuid=uuid,
                name=name,
                state=state.splitlines()[0] if state else "",
                autostart=uuid in autostart,
                # A transient domain has no definition: what runs is all there is.
                defined=observed.shape(observed.parse_xml(inactive)) if inactive else observed.shape(running),
                live=observed.shape(running) if active else None,
                external_snapshots=tuple(line.strip() for line in snapshots.splitlines() if line.strip()),
            )
        )
    return tuple(sorted(found, key=lambda domain: domain.name))


def _pools(address: str, active: Mapping[str, bool], until: float) -> tuple[Pool, ...]:
    asked = [f"pool-dumpxml {_word(name)}" for name in active]
    asked += [f"vol-list {_word(name)}" for name, is_active in active.items() if is_active]
    answers = iter(_virsh(address, asked, until))
    documents = {name: observed.parse_xml(text) for name in active if (text := next(answers)).strip()}
    # The path is the last column and starts at the pool's folder; names may hold blanks.
    paths = {
        name: [line[line.index(" /") + 1 :].strip() for line in next(answers).splitlines() if " /" in line]
        for name, is_active in active.items()
        if is_active
    }
    wanted = [(name, path) for name, each in paths.items() for path in each]
    texts = _virsh(address, [f"vol-dumpxml {_word(path)}" for _, path in wanted], until)
    volumes: dict[str, list[observed.Volume]] = {}
    for (name, _), text in zip(wanted, texts, strict=True):
        if text.strip():
            volumes.setdefault(name, []).append(observed.volume(observed.parse_xml(text)))
    return tuple(
        observed.pool(document, active=active[name], volumes=tuple(volumes.get(name, ())))
        for name, document in documents.items()
    )


def _word(name: str) -> str:
    """A name as one word of a `virsh` command line, whatever is in it."""
    if any(ord(letter) < 32 for letter in name):
        raise ObservationError("ホストにある名前に制御文字が入っています")
    return "'" + name.replace("'", "'\\''") + "'"


def _virsh(address: str, commands: Iterable[str], until: float) -> list[str]:
    """What each command printed; nothing where it failed. Raises ObservationError when the host does not answer."""
    asked = list(commands)
    if not asked:
        return []
    mark = f"kumiai-{identifiers.uuid4().hex}"
    script = "".join(f"{command}\necho {mark}\n" for command in asked)
    with subprocess.Popen(
        ["virsh", "--quiet", "--connect", address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C"},
        # Its own session: a transport that it started ends with it.
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(script, timeout=max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise ObservationError("制限時間内に答えません（ssh か libvirtd が止まっています）") from None
    return _parts(output, errors, asked, mark)


def _parts(output: str, errors: str, asked: Sequence[str], mark: str) -> list[str]:
    """The output of each command, told apart by a mark that nothing on the host can know beforehand.

    With readline `virsh` repeats each command after its prompt, long ones in a form of its own; without it there is
    only the prompt.
    """
    parts = re.split(rf"(?:virsh # )?(?:echo {mark}\n)?{mark}", output)
    if len(parts) <= len(asked):
        reason = [line.removeprefix("error: ") for line in errors.splitlines() if line.startswith("error:")]
        raise ObservationError(f"接続できません（{reason[-1][:300]}）" if reason else "接続できません")
    return [
        part.removeprefix("virsh # ").removeprefix(f"{command}\n")
        for command, part in zip(asked, parts[:-1], strict=True)
    ]
