"""`kumiai lab`: the laboratory of real libvirt hosts on this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .terminal import FAILURE, OK, RefusedError, emit, emit_json, tell

if TYPE_CHECKING:
    from lab import Guest, Probe

State = Annotated[Path | None, typer.Option("--state", metavar="DIR", help="状態フォルダー（既定は .lab）")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON で出力する")]


def register(app: typer.Typer) -> None:
    """Adds the commands of this file."""
    group = typer.Typer(no_args_is_help=True, help="検証環境：この計算機の上の、本物の libvirt ホスト群。")
    group.command("up")(up)
    group.command("status")(status)
    group.command("exec", context_settings={"allow_interspersed_args": False})(execute)
    group.command("down")(down)
    app.add_typer(group, name="lab")


def up(
    hosts: Annotated[int | None, typer.Option(min=1, max=16, help="ホスト数")] = None,
    backup_hosts: Annotated[int, typer.Option(min=0, max=15, help="遠隔地のホスト数")] = 0,
    plan: Annotated[Path | None, typer.Option(metavar="DIR", help="計画のホストとネットワークを用意する")] = None,
    bridges: Annotated[
        bool, typer.Option(help="規則のないブリッジも作る（既定はケーブルだけ。分離は apply-network が作る）")
    ] = False,
    guest_agent: Annotated[
        bool, typer.Option("--guest-agent", help="ゲストで QEMU ゲストエージェントも動かす（起動は少し遅くなる）")
    ] = False,
    state: State = None,
    as_json: AsJson = False,
) -> None:
    """検証環境を起動する。"""
    import lab as laboratory
    from layout import layout_file

    if plan is not None:
        # The laboratory reads only what it needs; a folder that is damaged elsewhere is refused before a host starts.
        layout_file.parse(layout_file.read_bytes(plan, layout_file.LAYOUT_FILE))
    with _explained():
        running = laboratory.up(
            state,
            hosts=hosts,
            backup_hosts=backup_hosts,
            plan=plan,
            bridges=bridges,
            guest_agent=guest_agent,
            progress=tell,
        )
    if as_json:
        emit_json(
            {
                "format_version": "1.0",
                "verdict": "up",
                "uris": running.uris,
                "uris_file": str(running.uris_file),
                "local_uris": running.local_uris,
                "ssh": {name: asdict(way) for name, way in running.ssh.items()},
            }
        )
        return
    emit(f"検証環境：{len(running.uris)} 台が{'すでに動いています' if running.already_up else '起動しました'}")
    for name, way in running.ssh.items():
        emit(f"  {name}  127.0.0.1:{way.port}")
    emit(f"SSH：ssh -F {running.state_dir / 'ssh' / 'config'} {next(iter(running.ssh))}")


def status(
    state: State = None,
    wait_s: Annotated[float, typer.Option("--wait", min=0, max=3600, help="答えない仮想サーバを待つ秒数")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """ホストと仮想サーバを示す。動いている仮想サーバには ping と TCP で話しかける。"""
    import lab as laboratory

    with _explained():
        seen = laboratory.status(state)
        running = {guest.name for host in seen.hosts for guest in host.guests if guest.state == "running"}
        probes = laboratory.probe_guests(state, running, wait_s=wait_s) if running else {}
    if as_json:
        hosts = [
            {
                "id": host.id,
                "uri": host.uri,
                "alive": host.alive,
                "answers": host.answers,
                "ssh_port": host.port,
                "ssh_answers": host.ssh_answers,
                "guests": [_guest(guest, probes.get(guest.name)) for guest in host.guests],
            }
            for host in seen.hosts
        ]
        gateways = [
            {
                "id": each.id,
                "site": each.site,
                "alive": each.alive,
                "ssh_port": each.port,
                "ssh_answers": each.ssh_answers,
            }
            for each in seen.gateways
        ]
        verdict = "up" if seen.up else "down"
        emit_json({"format_version": "1.0", "verdict": verdict, "hosts": hosts, "gateways": gateways})
    else:
        emit("検証環境：動いています" if seen.up else "検証環境：動いていません")
        for host in seen.hosts:
            emit(f"  {host.id}  libvirt {_said(host.answers)}  SSH {_port(host.port, host.ssh_answers)}")
            for guest in host.guests:
                emit(f"    {guest.name}  {guest.state}{_heard(probes.get(guest.name))}")
        for gateway in seen.gateways:
            reached = _port(gateway.port, gateway.ssh_answers)
            emit(f"  {gateway.id}  拠点 {gateway.site} のゲートウェイ  SSH {reached}")
    raise typer.Exit(OK if seen.up else FAILURE)


def _said(answers: bool) -> str:
    return "応答あり" if answers else "応答なし"


def _port(port: int | None, answers: bool) -> str:
    return f"127.0.0.1:{port} {_said(answers)}" if port else "なし"


def _guest(guest: Guest, probed: Probe | None) -> dict[str, Any]:
    seen = (
        {"address": None, "round_trip_ms": None, "answer": None}
        if probed is None
        else {"address": probed.address, "round_trip_ms": probed.round_trip_ms, "answer": probed.answer}
    )
    return {"name": guest.name, "state": guest.state, **seen}


def _heard(probed: Probe | None) -> str:
    if probed is None:
        return ""
    ping = "応答なし" if probed.round_trip_ms is None else f"応答 {probed.round_trip_ms:.0f} ミリ秒"
    said = f"、TCP {probed.port} 番の返事「{probed.answer}」" if probed.answer else ""
    return f"  {probed.address}  {ping}{said}"


def execute(
    host: Annotated[str, typer.Argument(help="ホスト名かゲートウェイ名")],
    command: Annotated[list[str], typer.Argument(metavar="-- CMD...", help="ホストの中で実行する命令")],
    state: State = None,
) -> None:
    """ホストの名前空間の中で命令を実行する。"""
    import lab as laboratory

    with _explained():
        # Typer keeps the "--" that ends our own options; the host would look for a program of that name.
        argv = command[1:] if command[0] == "--" else command
        if not argv:
            raise RefusedError("ホストの中で実行する命令を書いてください（kumiai lab exec HOST -- CMD…）")
        done = laboratory.execute(state, host, argv, capture=False)
    raise typer.Exit(done.returncode if 0 <= done.returncode < 128 else FAILURE)


def down(state: State = None, as_json: AsJson = False) -> None:
    """検証環境を跡形なく片付ける。"""
    import lab as laboratory

    with _explained():
        ended = laboratory.down(state)
    if as_json:
        emit_json({"format_version": "1.0", "verdict": "down", "was_up": bool(ended)})
        return
    emit("検証環境を片付けました" if ended else "検証環境は動いていません")


@contextmanager
def _explained() -> Iterator[None]:
    import lab as laboratory

    try:
        yield
    except laboratory.LabUnavailable as reason:
        sys.stdout.flush()
        raise RefusedError(str(reason), exit_code=FAILURE) from None
