"""Starts a laboratory and ends it, and takes the power from single hosts of it."""

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lab import forwarding, image, network, processes, ssh, underlay
from lab import host as hosts_of
from lab.namespaces import start
from lab.plan import LabPlan, NetworkPlan, numbered, read
from lab.requirements import locked, require, require_root, running
from lab.ssh import SshAccess
from lab.state import MARK, SWITCH, Places, State, load, places, save, write
from lab.unavailable import LabUnavailable
from layout.uplinks import write_uplinks


@dataclass(frozen=True)
class Lab:
    """A running laboratory; `already_up` when `up` found it running.

    `uris`: host -> URI over ssh, as in `uris_file`; `local_uris`: over its socket; `ssh`: hosts and gateways.
    """

    state_dir: Path
    uris: dict[str, str]
    uris_file: Path
    local_uris: dict[str, str]
    ssh: dict[str, SshAccess]
    networks: tuple[NetworkPlan, ...]
    images: dict[str, image.ImageFile]
    already_up: bool


def up(
    state_dir: Path | None = None,
    *,
    hosts: int | None = None,
    backup_hosts: int = 0,
    plan: Path | None = None,
    bridges: bool = False,
    guest_agent: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Lab:
    """Starts a laboratory of `hosts` and `backup_hosts` hosts, or of the hosts and networks of the plan folder `plan`.

    It lays cables only; the bridges of the networks are made by whoever segments them, or here with `bridges` (joined,
    without any rule, for tests of other things). With `guest_agent` guests run QEMU's guest agent. `progress` is told,
    in Japanese, what begins. A laboratory of the same plan that runs already is left alone; what died of it (hosts,
    libvirtd, sshd, ports) is started again. Raises LabUnavailable when it cannot be; then nothing is left.
    """
    if (hosts is None) == (plan is None):
        raise LabUnavailable("ホスト数か計画フォルダーのどちらか一つを指定してください")
    if plan is not None and backup_hosts:
        raise LabUnavailable("計画フォルダーを指定したときは、バックアップのホスト数は指定できません")
    require()
    named = numbered(hosts, backup_hosts) if hosts is not None else read(plan or Path())
    wanted = replace(named, bridges=bridges, guest_agent=guest_agent)
    where = places(state_dir)
    for each in wanted.hosts:
        where.socket(each.id)
    with locked(where):
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
    where.state_dir.chmod(0o700)  # it holds keys
    progress("ゲスト用イメージを用意しています")
    built = image.build(where.image(wanted.images[0]), guest_agent=wanted.guest_agent)
    images = {wanted.images[0]: built}
    for name in wanted.images[1:]:
        images[name] = image.ImageFile(where.image(name), built.sha256)
        shutil.copyfile(built.path, where.image(name))
    sshd = ssh.program()
    progress(f"ホスト {len(wanted.hosts)} 台とゲートウェイ {len(wanted.gateways)} 台を起動しています")
    for name in wanted.addresses:
        hosts_of.prepare(where, name, wanted)
    ssh.furnish(where, wanted.addresses, sshd)
    switch = start(where, SWITCH)
    state = replace(state, namespaces=(switch,))
    save(where, state)
    underlay.lay(where, switch)
    state = _power(where, state, wanted.addresses)
    progress(f"ネットワーク {len(wanted.networks)} 本をつないでいます")
    if wanted.bridges:
        network.connect(where, state)
    progress("libvirtd の起動を待っています")
    hosts_of.start_daemons(where, [each for each in state.namespaces if wanted.has_host(each.name)])
    state = replace(state, images={name: each.sha256 for name, each in images.items()})
    _write_files(where, state)
    state = replace(state, complete=True)
    save(where, state)
    return _lab(where, state, already_up=False)


def _power(where: Places, state: State, names: Iterable[str]) -> State:
    """Starts these hosts and gateways on the underlay, with an sshd and a port; the record knows of each at once."""
    switch = network.member(state, SWITCH)
    for name in names:
        hosts_of.boot_run(where, name)
        member = start(where, name, hosts_of.folders(where, name, state.plan))
        others = tuple(each for each in state.namespaces if each.name != name)
        state = replace(state, namespaces=(*others, member))
        save(where, state)
        underlay.plug_in(where, switch, member, state.plan)
        ssh.start(where, [member])
        network.restore(where, member)
        state = _forward(where, state, name)
    return state


def _forward(where: Places, state: State, name: str) -> State:
    """Sees to it that the port of this host or gateway leads to its sshd; one that it had before stays the same."""
    member, address = network.member(state, name), state.plan.addresses[name]
    known = next((each for each in state.forwarders if each.name == name), None)
    forwarding.connect_to(where, member, address)
    if known is not None and known.process.alive():
        return state
    if known is not None:
        process = forwarding.listen(where, name, known.port)
        if process is None:
            raise LabUnavailable(f"{name} の SSH のポート {known.port} を別のプログラムが使っています")
        fresh = replace(known, process=process)
    else:
        fresh = forwarding.forward(where, member, address, frozenset(each.port for each in state.forwarders))
    state = replace(state, forwarders=(*(each for each in state.forwarders if each.name != name), fresh))
    save(where, state)
    return state


def _write_files(where: Places, state: State) -> None:
    """What commands outside of the laboratory read about it."""
    ways = ssh.accesses(where, state)
    ssh.write_client_files(where, ways)
    write(where.ssh_record, {name: asdict(way) for name, way in ways.items()})
    write(where.uris, {each.id: ways[each.id].uri for each in state.plan.hosts})
    write(where.local_uris, {each.id: where.uri(each.id) for each in state.plan.hosts})
    write_uplinks(where.uplinks, underlay.uplinks(state.plan))
    images = {name: {"path": str(where.image(name)), "sha256": digest} for name, digest in state.images.items()}
    write(where.images_record, images)


def _resume(where: Places, state: State, wanted: LabPlan) -> Lab:
    switch = state.of(SWITCH)
    if not state.complete or switch is None or not switch.holder.alive():
        raise LabUnavailable(
            "前回の検証環境が途中で止まっています（kumiai lab down で片付けてから、もう一度実行してください）"
        )
    if state.plan != wanted:
        raise LabUnavailable(
            "別の構成の検証環境が動いています（kumiai lab down で片付けてから、もう一度実行してください）"
        )
    return _lab(where, _mend(where, state), already_up=True)


def _mend(where: Places, state: State) -> State:
    """Starts again what has died of a complete laboratory, or lost its power."""
    dead = [name for name in state.plan.addresses if not network.member(state, name).holder.alive()]
    state = _power(where, state, dead)
    if state.plan.bridges:
        network.connect(where, state, only=dead)
    for name in state.plan.addresses:
        if name not in dead:
            state = _forward(where, state, name)
            if not ssh.runs(network.member(state, name)):
                ssh.start(where, [network.member(state, name)])
    silent = [each.id for each in state.plan.hosts if hosts_of.guests(where, each.id) is None]
    hosts_of.start_daemons(where, [each for each in state.namespaces if each.name in silent])
    return state


def power_off(state_dir: Path | None, name: str) -> None:
    """Takes the power from a host or gateway: everything in it is gone at once, what lies on its disks stays.

    Its port still accepts connections and closes them. `power_on` brings it back. Raises LabUnavailable when there is
    no such host.
    """
    require_root()
    where = places(state_dir)
    with locked(where):
        member = network.member(running(where), name)
        forwarding.connect_nowhere(where, name)
        left = processes.end([member.holder, member.launcher])
        if left:
            raise LabUnavailable(f"{name} の電源を切れません（プロセス {left[0].pid} が終了しません）")


def power_on(state_dir: Path | None) -> Lab:
    """Starts again every host and gateway that has no power, and whatever else has died.

    As after any power cut, libvirtd starts the guests that are to start with their host.
    """
    require_root()
    where = places(state_dir)
    with locked(where):
        return _lab(where, _mend(where, running(where)), already_up=True)


def _lab(where: Places, state: State, *, already_up: bool) -> Lab:
    ways = ssh.accesses(where, state)
    return Lab(
        where.state_dir,
        {each.id: ways[each.id].uri for each in state.plan.hosts},
        where.uris,
        {each.id: where.uri(each.id) for each in state.plan.hosts},
        ways,
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
    require_root()
    with locked(where):
        _clear(where)
    return True


def _clear(where: Places) -> None:
    try:
        state = load(where)
    except LabUnavailable:
        state = None  # a damaged record: the marks on the processes are enough
    recorded = [process for each in state.namespaces for process in (each.holder, each.launcher)] if state else []
    # The marks also find what an `up` that was killed had started but not yet recorded, and what such a thing
    # started in turn while we were looking.
    while True:
        found = [each for each in processes.marked(MARK, str(where.state_dir)) if each.pid != os.getpid()]
        ending = [*found, *(each for each in recorded if each not in found and each.alive())]
        if not ending:
            break
        left = processes.end(ending)
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
