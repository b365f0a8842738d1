"""Up, status, run a command, look at an address, down: what `kumiai lab` and the end-to-end tests call."""

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lab import host as hosts_of
from lab import image, network, processes
from lab.host import Guest
from lab.namespaces import enter, start
from lab.network import Probe
from lab.plan import GuestPlan, LabPlan, NetworkPlan, numbered, read
from lab.state import MARK, SWITCH, Places, State, load, places, save, write
from lab.unavailable import LabUnavailable

PROGRAMS = ("libvirtd", "virsh", "qemu-system-x86_64", "qemu-img", "ip", "unshare", "nsenter", "setsid")
PACKAGES = Path(__file__).parent / "debian-packages.txt"


@dataclass(frozen=True)
class Lab:
    """A running laboratory: URI per host, networks, guest images; `already_up` when `up` found it running."""

    state_dir: Path
    uris: dict[str, str]
    uris_file: Path
    local_uris: dict[str, str]
    networks: tuple[NetworkPlan, ...]
    images: dict[str, image.ImageFile]
    already_up: bool


@dataclass(frozen=True)
class HostStatus:
    """`alive`: its namespaces are held; `answers`: its libvirtd lists guests."""

    id: str
    uri: str
    alive: bool
    answers: bool
    guests: tuple[Guest, ...]


@dataclass(frozen=True)
class Status:
    """State of a laboratory; `up` when every host is alive and answers."""

    up: bool
    state_dir: Path
    hosts: tuple[HostStatus, ...]
    networks: tuple[NetworkPlan, ...]


def up(
    state_dir: Path | None = None,
    *,
    hosts: int | None = None,
    plan: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Lab:
    """Starts a laboratory of `hosts` hosts, or of the hosts and networks of the plan folder `plan`.

    `progress` is told, in Japanese, what begins. A laboratory of the same plan that runs already is left alone;
    a libvirtd of it that died is started again. Raises LabUnavailable when it cannot be; then nothing is left behind.
    """
    if (hosts is None) == (plan is None):
        raise LabUnavailable("ホスト数か計画フォルダーのどちらか一つを指定してください")
    _require()
    wanted = numbered(hosts) if hosts is not None else read(plan or Path())
    where = places(state_dir)
    for each in wanted.hosts:
        where.socket(each.id)
    with _locked(where):
        state = load(where)
        if state is not None:
            return _resume(where, state, wanted)
        if where.state_dir.exists() and not _is_ours(where):
            raise LabUnavailable(f"状態フォルダーに別のファイルがあります：{where.state_dir}")
        try:
            return _start(where, wanted, progress)
        except BaseException:
            # Also on Ctrl-C: half a laboratory is of no use to anybody.
            _clear(where)
            raise


def _start(where: Places, wanted: LabPlan, progress: Callable[[str], None]) -> Lab:
    state = State(wanted)
    save(where, state)
    progress("ゲスト用イメージを用意しています")
    built = image.build(where.image(wanted.images[0]))
    images = {wanted.images[0]: built}
    for name in wanted.images[1:]:
        images[name] = image.ImageFile(where.image(name), built.sha256)
        shutil.copyfile(built.path, where.image(name))
    progress(f"ホスト {len(wanted.hosts)} 台を起動しています")
    for name in (SWITCH, *(each.id for each in wanted.hosts)):
        planned = next((each for each in wanted.hosts if each.id == name), None)
        folders = hosts_of.prepare(where, planned, wanted.hosts) if planned else None
        state = replace(state, namespaces=(*state.namespaces, start(where, name, folders)))
        save(where, state)
    progress(f"ネットワーク {len(wanted.networks)} 本をつないでいます")
    network.connect(state)
    progress("libvirtd の起動を待っています")
    hosts_of.start_daemons(where, [each for each in state.namespaces if each.name != SWITCH])
    write(where.uris, {each.id: where.uri(each.id) for each in wanted.hosts})
    write(where.images_record, {name: asdict(each) | {"path": str(each.path)} for name, each in images.items()})
    state = replace(state, images={name: each.sha256 for name, each in images.items()}, complete=True)
    save(where, state)
    return _lab(where, state, already_up=False)


def _resume(where: Places, state: State, wanted: LabPlan) -> Lab:
    if not state.complete or not all(each.holder.alive() for each in state.namespaces):
        raise LabUnavailable(
            "前回の検証環境が途中で止まっています（kumiai lab down で片付けてから、もう一度実行してください）"
        )
    if state.plan != wanted:
        raise LabUnavailable(
            "別の構成の検証環境が動いています（kumiai lab down で片付けてから、もう一度実行してください）"
        )
    silent = [each.id for each in wanted.hosts if hosts_of.guests(where, each.id) is None]
    hosts_of.start_daemons(where, [each for each in state.namespaces if each.name in silent])
    return _lab(where, state, already_up=True)


def _lab(where: Places, state: State, *, already_up: bool) -> Lab:
    return Lab(
        where.state_dir,
        {each.id: where.uri(each.id) for each in state.plan.hosts},
        where.uris,
        {each.id: where.uri(each.id) for each in state.plan.hosts},
        state.plan.networks,
        {name: image.ImageFile(where.image(name), digest) for name, digest in state.images.items()},
        already_up,
    )


def down(state_dir: Path | None = None) -> bool:
    """Ends everything of the laboratory and removes its files; answers whether there was anything.

    Works after a failed `up`, after a restart of the machine, and twice. Raises LabUnavailable when something stays.
    """
    where = places(state_dir)
    if not where.record.exists() and not where.run.exists() and not processes.marked(MARK, str(where.state_dir)):
        return False
    _require_root()
    with _locked(where):
        _clear(where)
    return True


def _clear(where: Places) -> None:
    try:
        state = load(where)
    except LabUnavailable:
        state = None  # a damaged record: the marks on the processes are enough
    recorded = [process for each in state.namespaces for process in (each.holder, each.launcher)] if state else []
    # The marks also find what an `up` that was killed had started but not yet recorded.
    found = processes.marked(MARK, str(where.state_dir))
    left = processes.end([*recorded, *(each for each in found if each not in recorded and each.pid != os.getpid())])
    if left:
        raise LabUnavailable("終了しないプロセスがあります：" + "、".join(str(each.pid) for each in left))
    if _is_ours(where):
        shutil.rmtree(where.state_dir)
    if where.run.exists():
        shutil.rmtree(where.run)


def _is_ours(where: Places) -> bool:
    """Whether the state folder is a laboratory's: it has a record, or an `up` ended before writing its first one."""
    if where.record.exists():
        return True
    return where.state_dir.is_dir() and {each.name for each in where.state_dir.iterdir()} <= {"state.json.new"}


def status(state_dir: Path | None = None) -> Status:
    """What runs of the laboratory; without one, no hosts and not up."""
    _require_root()
    where = places(state_dir)
    state = load(where)
    if state is None:
        return Status(up=False, state_dir=where.state_dir, hosts=(), networks=())
    records = []
    for each in state.plan.hosts:
        namespaces = state.of(each.id)
        alive = namespaces is not None and namespaces.holder.alive()
        found = hosts_of.guests(where, each.id) if alive else None
        records.append(HostStatus(each.id, where.uri(each.id), alive, found is not None, found or ()))
    working = state.complete and all(each.answers for each in records)
    return Status(working, where.state_dir, tuple(records), state.plan.networks)


def execute(
    state_dir: Path | None, host: str, argv: Sequence[str], *, capture: bool = True
) -> subprocess.CompletedProcess[str]:
    """Runs a command inside a host's namespaces and answers its exit code, with its output when `capture`.

    Without `capture` it uses this process's own input and output. Raises LabUnavailable when the host does not run.
    """
    _require_root()
    state = _running(places(state_dir))
    command = enter(network.member(state, host), argv)
    return subprocess.run(command, capture_output=capture, text=True, errors="replace", check=False)


def probe(
    state_dir: Path | None,
    network_id: str,
    address: str,
    *,
    port: int = 80,
    source: str | None = None,
    deadline_s: int = 2,
    ping: bool = True,
) -> Probe:
    """Pings `address` (unless told not to) and reads what its TCP `port` says, from an endpoint on the network.

    `source` is the endpoint's address, by default a free one of the subnet. Each try waits `deadline_s` seconds.
    """
    _require_root()
    state = _running(places(state_dir))
    _, plan = network.network_of(state.plan, network_id)
    origin = source or network.free_address(plan)
    time_ms = None
    if ping:
        once = ["busybox", "ping", "-c", "1", "-W", str(deadline_s), address]
        time_ms = network.round_trip_ms(network.run_on(state, network_id, once, origin).stdout)
    # nc limits the time to connect only; a peer may accept and then say nothing for ever.
    talk = ["timeout", str(2 * deadline_s), "busybox", "nc", "-w", str(deadline_s), address, str(port)]
    said = network.run_on(state, network_id, talk, origin)
    answer = said.stdout.strip() if said.returncode == 0 else None
    return Probe(network_id, address, origin, time_ms, port, answer)


def planned_guest(state_dir: Path | None, name: str) -> GuestPlan:
    """Where the plan puts this guest. Raises LabUnavailable when it does not know it."""
    for guest in _running(places(state_dir)).plan.guests:
        if guest.name == name:
            return guest
    raise LabUnavailable(f"仮想サーバ {name} は検証環境の計画にありません")


def probe_guests(state_dir: Path | None, names: Collection[str], *, wait_s: float = 0.0) -> dict[str, Probe]:
    """Probes these guests at the addresses the plan gives them, one after another; names it does not know are left out.

    A guest that boots is silent for some seconds, and each silent one takes about three. Silent ones are asked again
    for at least `wait_s` seconds.
    """
    _require_root()
    planned = [each for each in _running(places(state_dir)).plan.guests if each.name in names]
    until = time.monotonic() + wait_s
    heard: dict[str, Probe] = {}
    while True:
        silent = [each for each in planned if each.name not in heard or not _is_up(heard[each.name])]
        for each in silent:
            heard[each.name] = probe(state_dir, each.network, each.address, deadline_s=1)
        if time.monotonic() >= until or all(map(_is_up, heard.values())):
            return heard
        time.sleep(0.5)


def _is_up(probed: Probe) -> bool:
    """A guest answers pings some moments before its services, and a first ping may get lost."""
    return probed.reachable and probed.answer is not None


def _running(where: Places) -> State:
    state = load(where)
    if state is None:
        raise LabUnavailable("検証環境は動いていません（kumiai lab up で起動してください）")
    return state


@contextmanager
def _locked(where: Places) -> Iterator[None]:
    """One command at a time changes a laboratory; the lock lies on its folder below /run and goes with it."""
    where.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(where.run, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabUnavailable("別の kumiai lab コマンドが実行中です") from None
        yield
    finally:
        os.close(handle)
        if where.run.is_dir() and not any(where.run.iterdir()):
            where.run.rmdir()


def _require_root() -> None:
    if sys.platform != "linux":
        raise LabUnavailable("検証環境は Linux でのみ使えます")
    if os.geteuid() != 0:
        raise LabUnavailable("検証環境には root 権限が必要です（sudo を付けて実行してください）")


def _require() -> None:
    _require_root()
    if platform.machine() != "x86_64":
        raise LabUnavailable(f"検証環境は x86_64 でのみ使えます（この計算機：{platform.machine()}）")
    missing = [program for program in PROGRAMS if shutil.which(program, path=_search_path()) is None]
    if missing:
        raise LabUnavailable(
            f"検証環境に必要なプログラムがありません：{'、'.join(missing)}（必要なパッケージ：{PACKAGES}）"
        )
    refused = subprocess.run(
        ["unshare", "--mount", "--net", "--uts", "--pid", "--fork", "true"], capture_output=True, text=True, check=False
    )
    if refused.returncode != 0:
        raise LabUnavailable(f"この環境では名前空間を作成できません：{' '.join(refused.stderr.split())}")


def _search_path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
