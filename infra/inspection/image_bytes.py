"""Is a base image on a host still, byte for byte, the one that was sent there?

Every VM of a host reads its system from there, so the bytes themselves are read, through libvirt, which works for
every kind of URI. What was read once is kept together with the time at which the file was last written: a deployment
reads a copy again only when that has changed. `kumiai drift --images` reads all of them, whatever is kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra.admission import HOSTS_PREFIX, Observations, base_images, volume_of
from infra.inspection.differences import Difference
from infra.inspection.standing import Standing
from infra.observing.observed import HostObservation, Volume
from infra.observing.virsh import Hosts, SilentHostError
from layout.records import HostRecord, Layout

MEMORY_FILE = "image-bytes.json"
AT_ONCE = 4


@dataclass(frozen=True)
class Copy:
    """A base image in a pool of a host."""

    host: str
    site: str
    pool: str
    image: str
    volume: Volume

    @property
    def key(self) -> str:
        """What it is called in the memory, and as which file."""
        return f"{self.host}/{self.pool}/{self.volume.name}"


@dataclass(frozen=True)
class Memory:
    """What was read from copies before: their digests, and which file that was."""

    path: Path

    def read(self) -> dict[str, dict[str, str]]:
        """By key. A memory that is gone or torn is none: everything is read again."""
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) and all(isinstance(each, dict) for each in found.values()) else {}

    def write(self, known: Mapping[str, Mapping[str, str]]) -> None:
        """Replaces it. Raises OSError."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(known, indent=1, sort_keys=True), encoding="utf-8")
        fresh.replace(self.path)


def copies(layout: Layout, hosts: Iterable[HostRecord], seen: Observations) -> tuple[Copy, ...]:
    """The base images of the plan that are on these hosts."""
    found = []
    for host in hosts:
        there = seen.get(host.id)
        if not isinstance(there, HostObservation):
            continue
        for pool, images in base_images(host.site, layout).items():
            for image in images:
                volume = there.volume(pool, volume_of(image))
                if volume is not None:
                    found.append(Copy(host.id, host.site, pool, image, volume))
    return tuple(found)


def digests(
    asked: Iterable[Copy], hosts: Hosts, memory: Memory | None = None, progress: Callable[[str], None] = lambda _: None
) -> dict[Copy, str]:
    """SHA-256 of each copy; nothing for one that cannot be read. Raises OSError when the memory cannot be written."""
    listed = tuple(asked)
    known = {} if memory is None else memory.read()
    held = {each: known.get(each.key, {}) for each in listed}
    found = {each: held[each]["sha256"] for each in listed if _file(each) and held[each].get("file") == _file(each)}
    left = [each for each in listed if each not in found]
    if left:
        progress(f"ベースイメージ {len(left)} 個の内容を、ホストから読んで確かめています")

    def read(each: Copy) -> str:
        try:
            return hosts.digest(each.host, each.pool, each.volume.name)
        except SilentHostError:
            return ""

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        found |= dict(zip(left, pool.map(read, left), strict=True))
    if memory is not None and left:
        memory.write(
            known | {each.key: {"file": _file(each), "sha256": sha256} for each, sha256 in found.items() if sha256}
        )
    return found


def differences(found: Mapping[Copy, str], layout: Layout, standing: Standing) -> tuple[Difference, ...]:
    """The copies that are not what the plan, or else the record of their stack, has; those that none knows are left."""
    planned = {image.id: image.digest.removeprefix("sha256:") for image in layout.images if image.digest}
    wrong = []
    for each, sha256 in found.items():
        recorded = standing.outputs.get(f"{HOSTS_PREFIX}{each.site}", {}).get("images") or {}
        wanted = planned.get(each.image) or recorded.get(each.image)
        if wanted is not None and sha256 != wanted:
            told = f"SHA-256 {sha256[:12]}…" if sha256 else "読めません"
            wrong.append(
                Difference(
                    "image", each.host, "", f"プール「{each.pool}」のベースイメージ「{each.image}」の内容",
                    f"SHA-256 {wanted[:12]}…", told, "", "上に載る仮想サーバを止め、restore-vm で戻してください",
                )
            )  # fmt: skip
    return tuple(wrong)


def _file(copy: Copy) -> str:
    """Which file it was, as libvirt tells: when last written, how large. A file that says no time is always read."""
    written = copy.volume.written
    return f"{written} {copy.volume.capacity} {copy.volume.allocation}" if written else ""
