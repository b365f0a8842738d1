"""The plain-text description that goes with a tenant's exported data: what each file is and how to open it.

`python -m runbooks.handover --plan DIR --tenant ID --now TIME` prints it; it reads which backup each VM's data is
from (`python -m runbooks.backups sources`) from standard input.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from layout import FolderError, folder
from layout.folder import PlanFolder
from layout.records import VmRecord
from runbooks.backups import JAPAN

_HEAD = """\
引渡しデータの説明

団体　　　　　　　：{name}（{tenant}）
作成　　　　　　　：{made}
計画　　　　　　　：{estate}（令和{year}年度、世代 {generation}、{digest}）
仮想サーバの台数　：{count}

1. 中身

フォルダーは仮想サーバごとに一つです。その中に次のファイルがあります。

  *.raw          ディスクの全内容を先頭から順に並べたもの（raw イメージ）。圧縮も暗号化もしていません。
                 使っていない部分は穴（sparse）になっているので、見た目の大きさより場所を取りません。
  domain.xml     libvirt での仮想サーバの定義（CPU、メモリー、ディスクのつなぎ方）
  manifest.json  元になったバックアップの記録（いつの状態か、要約値）

SHA256SUMS は全ファイルの要約値です。「sha256sum --check SHA256SUMS」で、途中で変わっていないことを確かめられます。

2. 読み方

Linux の計算機で、次のどれかの方法で開けます。

  losetup --find --show --partscan --read-only ファイル.raw   のあと、mount -o ro /dev/loopNpM 場所
  qemu-img convert -f raw -O vmdk（または vhdx）ファイル.raw 行き先   で、ほかの仮想化基盤の形へ変換
  domain.xml のディスクの場所を書き換えて virsh define   で、そのまま起動

ディスクの中のデータベースの形式と版は、業務パッケージの事業者に確かめてください。

3. 仮想サーバの一覧
"""


def describe(plan: PlanFolder, tenant: str, sources: Mapping[str, Mapping[str, str]], now: datetime) -> str:
    """The description, Japanese, for people who know nothing of this project. Times in Asia/Tokyo."""
    layout = plan.layout
    vms = sorted((vm for vm in layout.vms if vm.tenant == tenant), key=lambda vm: (vm.restore_priority, vm.id))
    names = {each.id: each.name for each in plan.estate.tenants}
    systems = {(each.tenant, each.id): each.name for each in plan.estate.systems}
    text = _HEAD.format(
        name=names.get(tenant, tenant),
        tenant=tenant,
        made=_time(now),
        estate=layout.estate.name,
        year=layout.estate.fiscal_year - 2018,
        generation=layout.generation,
        digest=plan.layout_digest[:12],
        count=len(vms),
    )
    return text + "".join(_one(vm, systems.get((tenant, vm.system), vm.system), sources[vm.id]) for vm in vms)


def _one(vm: VmRecord, system: str, source: Mapping[str, str]) -> str:
    disks = "".join(
        f"    {disk.name}.raw  {disk.size_gib:g} GiB  "
        + (f"起動ディスク（元のイメージ {disk.base_image}）" if disk.base_image else "データ用ディスク")
        + "\n"
        for disk in vm.disks
    )
    return (
        f"\n{vm.id}\n"
        f"  業務　　　：{system}（{vm.system}、役割 {vm.role}、{vm.segment} 系）\n"
        f"  大きさ　　：vCPU {vm.vcpu}、メモリー {vm.memory_mib} MiB\n"
        f"  アドレス　：{vm.address}（{vm.mac}、ネットワーク {vm.network}）\n"
        f"  データ時点：{_time(datetime.fromisoformat(source['begun']))}（バックアップの世代 {source['generation']}）\n"
        f"  ディスク　：\n{disks}"
    )


def _time(time: datetime) -> str:
    local = time.astimezone(JAPAN)
    return f"{local.year}年{local.month}月{local.day}日 {local:%H:%M:%S}"


def main(arguments: Sequence[str] | None = None) -> int:
    """What the runbook calls. Answers the exit code: 0, or 1 with a Japanese line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m runbooks.handover", description="引渡しデータの説明")
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--tenant", required=True)
    parser.add_argument("--now", type=datetime.fromisoformat, required=True)
    chosen = parser.parse_args(arguments)
    try:
        plan = folder.read(chosen.plan)
    except FolderError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(describe(plan, chosen.tenant, json.loads(sys.stdin.read()), chosen.now))
    return 0


if __name__ == "__main__":
    sys.exit(main())
