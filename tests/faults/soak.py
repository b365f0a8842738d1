"""Kills a deployment again and again at random moments; after each, the next one must reach the wanted state.

    python -m tests.faults.soak --kills 100 [--seed N] [--only K] [--folder DIR]

Every round is drawn from the seed and its number alone, so that one that fails can be asked for again (`--only`).
How far the deployment had come by then depends on the machine.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.stand import EVERYTHING, SITE, TARGETS, TENANT, Stand, standing

ALL_TARGETS = (*TARGETS, "kumiai", EVERYTHING, "libvirtd")
WEIGHTS = (6, 2, 3, 5, 4, 4, 3)
AGAIN = 0.25  # how often the run that recovers is killed as well


@dataclass(frozen=True)
class Kill:
    """What is killed when: `after` seconds after the deployment began, or (`making`) after its first creation began."""

    number: int
    target: str
    making: bool
    after: float
    unmade: tuple[str, ...]
    everything: bool
    started: bool

    def __str__(self) -> str:
        since = "最初の作成" if self.making else "開始"
        what = "全部とイメージ" if self.everything else "、".join(self.unmade)
        return f"{self.number:3d} {self.target:13s} {since}から {self.after:5.2f} 秒（作るもの：{what}）"


def drawn(seed: int, number: int, vms: list[str], whole_s: float) -> tuple[Kill, ...]:
    """The kills of one round: mostly one, now and then the run that recovers from it is killed too."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - moments, no secrets
    unmade = tuple(sorted(chance.sample(vms, chance.randint(1, len(vms)))))
    everything, started = chance.random() < 0.2, chance.random() < 0.2
    kills = []
    if not everything:
        whole_s /= 2  # the hosts' stack is left alone
    while not kills or chance.random() < AGAIN:
        making = chance.random() < 0.6
        after = chance.uniform(0.0, 1.5 if making else whole_s)
        (target,) = chance.choices(ALL_TARGETS, WEIGHTS)
        kills.append(Kill(number, target, making, after, unmade, everything, started))
    return tuple(kills)


def sudden(seed: int, number: int, vms: list[str], whole_s: float) -> tuple[Kill, ...]:
    """One kill of all processes at once, while VMs of the tenant are made."""
    chance = random.Random(f"{seed}/{number}")  # noqa: S311 - moments, no secrets
    unmade = tuple(sorted(chance.sample(vms, chance.randint(1, len(vms)))))
    making = chance.random() < 0.6
    after = chance.uniform(0.0, 1.5 if making else whole_s)
    return (Kill(number, EVERYTHING, making, after, unmade, everything=False, started=chance.random() < 0.3),)


def strike(stand: Stand, kill: Kill, options: tuple[str, ...]) -> str:
    """Runs a deployment, kills at the moment, and says what was hit and how the deployment ended."""
    process = stand.begin(*options)
    begun = time.monotonic()
    since = begun
    if kill.making:
        while process.poll() is None and not (stand.pending(TENANT) or stand.pending(SITE)):
            time.sleep(0.005)
        since = time.monotonic()
    while process.poll() is None and time.monotonic() < since + kill.after:
        time.sleep(0.005)
    at = time.monotonic() - begun
    if process.poll() is not None:
        hit = "終了後"
    elif kill.target == "libvirtd":
        hosts = sorted(stand.lab.local_uris)
        host = hosts[kill.number % len(hosts)]
        os.kill(stand.libvirtd(host), signal.SIGKILL)
        hit = host
    else:
        hit = f"{len(stand.kill(process, kill.target))} 個"
    process.wait()
    if kill.target == "libvirtd":
        stand.revive()
        hit += "".join(f"、{vm} が起動中のまま" for vm in stand.stuck())
    return f"{at:6.2f} 秒で {hit}、終了コード {process.returncode}"


def round_of(stand: Stand, kills: Sequence[Kill]) -> tuple[list[str], float]:
    """One round: unmake, kill, recover, look. Answers what happened, and the seconds of the recovery."""
    first = kills[0]
    options = ("--start", "all" if first.started else "none")
    if not first.everything:
        options += ("--stack", TENANT)
    stand.unmake(first.unmade, everything=first.everything)
    told = [f"{kill}：{strike(stand, kill, options)}" for kill in kills]
    begun = time.monotonic()
    held = stand.stuck()
    if held:  # the deployment names them, and what to do on their host
        stand.deploy(*options, code=1)
        for vm in held:
            assert f"/run/libvirt/qemu/{vm}.xml" in stand.said(), stand.said()
            stand.let_go(vm)
    stand.recover(*options)
    return told, time.monotonic() - begun


def run(folder: Path, kills: int, seed: int, only: int | None = None) -> int:
    """Kills at least so many times; answers the number of rounds that failed."""
    done, failed, took = 0, 0, []
    with standing(folder) as stand:
        stand.deploy("--start", "all")
        stand.wait_for_counters()
        stand.unmake((), everything=True)
        begun = time.monotonic()
        stand.recover("--start", "none")
        whole_s = time.monotonic() - begun
        _say(f"種 {seed}、構築 1 回 {whole_s:.1f} 秒")
        number = 0 if only is None else only - 1
        try:
            while done < kills:
                number += 1
                kills_ = drawn(seed, number, stand.vms, whole_s)
                try:
                    told, seconds = round_of(stand, kills_)
                except (AssertionError, OSError, ValueError, subprocess.SubprocessError) as error:
                    failed += 1
                    _say(f"{number:3d} 失敗（--seed {seed} --only {number} で再現）：{str(error)[-3000:]}")
                else:
                    for line in told:
                        _say(line)
                    removed = [line for line in stand.said().splitlines() if "作りかけ" in line or "途中" in line]
                    _say(f"{number:3d} 回復 {seconds:.1f} 秒、片付け {len(removed)} 件、計数 {stand.seen}")
                    took.append(seconds)
                done += len(kills_)
                if only is not None:
                    break
        finally:  # also when it is stopped: what was done until then counts
            _say(
                f"判定：{'失敗' if failed else '合格'} — 種 {seed}、強制終了 {done} 回、失敗 {failed} 回、"
                f"回復 平均 {sum(took) / max(1, len(took)):.1f} 秒（最大 {max(took, default=0):.1f} 秒）"
            )
    return failed


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Runs the command: 0 when every round recovered, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=20260417)
    parser.add_argument("--only", type=int, help="only the round of this number")
    parser.add_argument("--folder", type=Path, help="where everything is written; kept")
    chosen = parser.parse_args()
    # Started in the background it would ignore Ctrl-C; and ended by SIGTERM it would leave its laboratory.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    if chosen.folder is not None:
        return 1 if run(chosen.folder.resolve(), chosen.kills, chosen.seed, chosen.only) else 0
    with tempfile.TemporaryDirectory(prefix="kumiai-soak-") as folder:
        return 1 if run(Path(folder), chosen.kills, chosen.seed, chosen.only) else 0


if __name__ == "__main__":
    sys.exit(main())
