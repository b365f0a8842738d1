"""What backups there are, how old the newest is in business days, which one to take, and which may go.

Every backup is a folder with a `manifest.json` of one line, written on the host that made it and kept beside the data
on the backup site: the index on the engineer's machine can be lost and built again (runbook `index-backups`).
`python -m runbooks.backups` is what the runbooks call; it reads manifests, one a line, from standard input.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, Field, TypeAdapter, ValidationError

from layout.checkers.calendar import is_closed
from layout.records import LayoutRecord

JAPAN = timezone(timedelta(hours=9), "JST")
FORMAT_VERSION = "1.0"
NONE = "なし"
NEWEST = "newest"
ALL = "all"
KEEP_ALL = timedelta(days=3)
_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
Name = Annotated[str, Field(pattern=_ID, max_length=200)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class BackupError(Exception):
    """There is no such backup, or a file is none. One Japanese line."""


class About(LayoutRecord):
    """Whose backup it is, and under which plan and run it was made."""

    vm: Name
    tenant: str
    system: str
    generation: Name
    """The run that made it: one backup of a VM per run."""
    plan: Digest
    """sha256 of the layout that was in force."""
    operator: str
    volumes: tuple[Name, ...]
    """Names of the VM's volumes; each is the file `NAME.qcow2`."""


class StoredFile(LayoutRecord):
    """A file of the backup."""

    bytes: int
    sha256: Digest


class Manifest(LayoutRecord):
    """`manifest.json`: what lies in the folder of a backup."""

    format_version: str = FORMAT_VERSION
    about: About
    begun: AwareDatetime
    """The instant that the data shows."""
    ended: AwareDatetime
    consistency: str
    """`running`: all disks at one instant of the running VM, as after a power cut; `stopped`: it was shut down."""
    files: dict[Name, StoredFile]

    @property
    def bytes(self) -> int:
        """Size of the whole backup."""
        return sum(file.bytes for file in self.files.values())


@dataclass(frozen=True)
class Keeping:
    """How many generations are kept: the last of each of so many days, weeks (ISO) and months that have one.

    Younger than `KEEP_ALL` all are kept: a backup made in haste must not push out the good one of last night.
    """

    daily: int
    weekly: int
    monthly: int


_MANIFEST = TypeAdapter(Manifest)


def read(lines: Iterable[str]) -> tuple[tuple[Manifest, ...], int]:
    """The manifests, the oldest first, and how many lines are none: one damaged file must not hide the others."""
    found, damaged = [], 0
    for line in lines:
        if line.strip():
            try:
                manifest = _MANIFEST.validate_json(line, strict=False)
            except ValidationError:
                damaged += 1
                continue
            if manifest.format_version.partition(".")[0] == "1":
                found.append(manifest)
            else:
                damaged += 1
    return tuple(sorted(found, key=lambda each: (each.begun, each.about.generation))), damaged


def age_in_business_days(begun: datetime, now: datetime) -> int:
    """Business days that have begun since the day of the backup (Asia/Tokyo); 1 on the business day after it.

    The standard wants the state of at most one business day before (非機能要件の標準 A.1.3.1): this is to be at most 1.
    """
    day, today, count = begun.astimezone(JAPAN).date(), now.astimezone(JAPAN).date(), 0
    while day < today:
        day += timedelta(days=1)
        count += not is_closed(day)
    return count


def choose(manifests: Sequence[Manifest], vm: str, generation: str = NEWEST) -> Manifest:
    """The newest backup of the VM, or the one of that generation. Raises BackupError."""
    own = [each for each in manifests if each.about.vm == vm]
    if not own:
        raise BackupError(f"「{vm}」のバックアップが見つかりません")
    if generation == NEWEST:
        return own[-1]
    for each in own:
        if each.about.generation == generation:
            return each
    known = "、".join(each.about.generation for each in own[-5:])
    raise BackupError(f"「{vm}」に世代「{generation}」はありません（新しい 5 世代：{known}）")


def expired(manifests: Sequence[Manifest], keeping: Keeping, adding: datetime | None = None) -> tuple[Manifest, ...]:
    """Those that no rule keeps, the oldest first. `adding`: a backup that is about to be made counts as the newest."""
    if not manifests:
        return ()
    times = [each.begun.astimezone(JAPAN) for each in manifests] + ([adding.astimezone(JAPAN)] if adding else [])
    kept = {number for number, time in enumerate(times) if times[-1] - time < KEEP_ALL}
    for limit, period in (
        (keeping.daily, lambda day: day),
        (keeping.weekly, lambda day: day.isocalendar()[:2]),
        (keeping.monthly, lambda day: (day.year, day.month)),
    ):
        kept |= _last_of_each(times, period, limit)
    return tuple(each for number, each in enumerate(manifests) if number not in kept)


def _last_of_each(times: Sequence[datetime], period: Callable[[date], Hashable], limit: int) -> set[int]:
    last = {period(time.date()): number for number, time in enumerate(times)}
    return set(sorted(last.values())[-limit:]) if limit > 0 else set()


def sources(stored: Mapping[str, Iterable[str]], vms: Sequence[str], hint: str = "") -> dict[str, dict[str, str]]:
    """VM -> the host of its newest backup, its generation and its time.

    Raises BackupError where a VM has none, with what can be done then (`hint`).

    `stored`: host -> lines `VM GENERATION BEGUN`, which is all that a site with thousands of backups needs to tell.
    """
    found: dict[str, tuple[datetime, str, str]] = {}
    for host, lines in sorted(stored.items()):
        for line in lines:
            match line.split():
                case [vm, generation, begun]:
                    newest = (_time(begun), host, generation)
                    found[vm] = max(newest, found.get(vm, newest))
    missing = [vm for vm in vms if vm not in found]
    if missing:
        raise BackupError(f"バックアップのない仮想サーバ：{'、'.join(missing)}{hint}")
    return {vm: {"host": found[vm][1], "generation": found[vm][2], "begun": found[vm][0].isoformat()} for vm in vms}


def update_index(path: Path, stored: dict[str, Sequence[str]], vm: str = ALL) -> int:
    """Puts what was found on these hosts into the index, in place of what it said of them (of `vm` only, if given).

    Answers how many backups the index holds. The file is replaced as a whole; one at a time writes it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        index = _read_index(path)
        for host, lines in stored.items():
            fresh = [json.loads(each.model_dump_json()) for each in read(lines)[0]]
            old = [] if vm == ALL else [each for each in index.get(host, []) if each["about"]["vm"] != vm]
            index[host] = old + fresh
        document = {"format_version": FORMAT_VERSION, "hosts": index}
        new = path.with_name(path.name + ".new")
        new.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        new.replace(path)
    return sum(len(backups) for backups in index.values())


def read_index(path: Path) -> dict[str, tuple[Manifest, ...]]:
    """Host -> its backups, the oldest first, as the index knows them. Raises BackupError."""
    return {
        host: read(json.dumps(each, ensure_ascii=False) for each in backups)[0]
        for host, backups in _read_index(path).items()
    }


def _read_index(path: Path) -> dict[str, list[dict[str, dict[str, str]]]]:
    if not path.exists():
        return {}
    try:
        hosts = json.loads(path.read_text(encoding="utf-8"))["hosts"]
    except (ValueError, KeyError, TypeError):
        raise BackupError(
            f"{path}: バックアップの索引として読めません。消してから手順書 index-backups で作り直してください"
        ) from None
    assert isinstance(hosts, dict)  # noqa: S101 - written by update_index
    return hosts


def main(arguments: Sequence[str] | None = None) -> int:
    """What the runbooks call. Answers the exit code: 0, or 1 with a Japanese line on stderr."""
    chosen = _parser().parse_args(arguments)
    try:
        sys.stdout.write(_answer(chosen))
    except BackupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _answer(chosen: argparse.Namespace) -> str:
    if chosen.question == "index":
        stored = json.loads(sys.stdin.read())
        return f"{update_index(chosen.index, stored, chosen.vm)}\n"
    if chosen.question == "sources":
        return json.dumps(sources(json.loads(sys.stdin.read()), chosen.vms, chosen.hint)) + "\n"
    if chosen.question == "overdue":
        return "".join(f"{line}\n" for line in overdue(read_index(chosen.index), chosen.vms, chosen.now, chosen.limit))
    manifests, damaged = read(sys.stdin)
    if damaged:
        sys.stderr.write(f"読めない manifest.json が {damaged} 個あります（ほかの世代だけを見ます）\n")
    if chosen.question == "age":
        own = [each for each in manifests if not chosen.vm or each.about.vm == chosen.vm]
        return f"{age_in_business_days(own[-1].begun, chosen.now) if own else NONE}\n"
    if chosen.question == "choose":
        return choose(manifests, chosen.vm, chosen.generation).model_dump_json() + "\n"
    keeping = Keeping(chosen.daily, chosen.weekly, chosen.monthly)
    return "".join(f"{each.about.generation}\n" for each in expired(manifests, keeping, chosen.now))


def overdue(stored: dict[str, tuple[Manifest, ...]], vms: Sequence[str], now: datetime, limit: int) -> tuple[str, ...]:
    """`VM<TAB>age` of each VM whose newest backup is more than `limit` business days old, or that has none."""
    newest: dict[str, datetime] = {}
    for manifests in stored.values():
        for each in manifests:
            newest[each.about.vm] = max(each.begun, newest.get(each.about.vm, each.begun))
    ages = {vm: age_in_business_days(newest[vm], now) if vm in newest else None for vm in vms}
    return tuple(f"{vm}\t{NONE if age is None else age}" for vm, age in ages.items() if age is None or age > limit)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runbooks.backups", description="バックアップの一覧に答える")
    questions = parser.add_subparsers(dest="question", required=True)
    age = questions.add_parser("age", help="最新のバックアップから何営業日たったか")
    age.add_argument("--vm", default="")
    age.add_argument("--now", type=_time, required=True)
    taken = questions.add_parser("choose", help="使う世代の manifest")
    taken.add_argument("--vm", required=True)
    taken.add_argument("--generation", default=NEWEST)
    gone = questions.add_parser("expired", help="保持期間を過ぎた世代（これから一つ増える前提）")
    for name in ("daily", "weekly", "monthly"):
        gone.add_argument(f"--{name}", type=int, required=True)
    gone.add_argument("--now", type=_time, default=None)
    index = questions.add_parser("index", help="索引を書き換える（標準入力：ホスト → manifest の配列の JSON）")
    index.add_argument("--index", type=Path, required=True)
    index.add_argument("--vm", default=ALL)
    where = questions.add_parser(
        "sources", help="仮想サーバごとの最新の世代と、その保管先（標準入力：ホスト → 「名前 世代 時刻」の行の JSON）"
    )
    where.add_argument("vms", nargs="*")
    where.add_argument("--hint", default="", help="一台でもなければ、その名前に続けて言うこと")
    late = questions.add_parser("overdue", help="最新のバックアップが古すぎる仮想サーバ（索引による）")
    late.add_argument("--index", type=Path, required=True)
    late.add_argument("--now", type=_time, required=True)
    late.add_argument("--limit", type=int, default=1)
    late.add_argument("vms", nargs="*")
    return parser


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=JAPAN)


if __name__ == "__main__":
    sys.exit(main())
