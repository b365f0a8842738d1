"""May a tenant be removed, and the certificate that says what was erased. Runbook `remove-tenant` calls it.

`python -m runbooks.removal check --plan OLD --next NEW --tenant ID` and `… certificate` (JSON on standard input).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from layout import FolderError, folder
from layout.folder import PlanFolder
from runbooks.backups import JAPAN

_CERTIFICATE = """\
データ消去証明書

団体　　　：{name}（{tenant}）
実行番号　：{run}
実行者　　：{operator}
同意書　　：{agreed}
消去日時　：{time}
消した計画：{estate}　世代 {generation}（{digest}）

次のものを、下の方法で消去したことを証明します。

方法　　　：ファイルの全体を乱数で 1 回、続けてゼロで 1 回上書きし（GNU shred）、
　　　　　　読み直してゼロだけであることを確かめてから削除
限界　　　：SSD の予備領域と、記憶装置の側の写し（スナップショット、階層化）には上書きが届かないことがあります。
　　　　　　機器を返却、廃棄するときは、機器ごとの消去か物理的な破壊を別に行ってください
記録　　　：この実行の操作記録（journal）に、命令、終了コード、出力の要約値が残っています

1. 仮想サーバとディスク（{volumes} ファイル、{volume_bytes:,} バイト）
{volume_lines}
2. バックアップと引渡しデータ（{copies} ファイル、{copy_bytes:,} バイト）
{copy_lines}
3. そのほか
  団体のスタックの状態（Pulumi）、暗号の鍵と合言葉、ネットワークと通信の規則
"""


def problems(old: PlanFolder, new: PlanFolder, tenant: str) -> Iterator[str]:
    """Why the tenant cannot be removed with this next plan; nothing where it can. Japanese lines."""
    own = {vm.id for vm in old.layout.vms if vm.tenant == tenant}
    if not own:
        yield f"団体「{tenant}」の仮想サーバは、この計画にありません"
    if any(vm.tenant == tenant for vm in new.layout.vms):
        yield f"次の計画に、まだ団体「{tenant}」があります。構成ファイルから団体を外して計画し直してください"
    if old.layout_digest not in new.layout.lineage:
        yield "次の計画は、今の計画を引き継いでいません。kumiai plan … --keep 今の計画 で作ってください"
    after = {vm.id: vm for vm in new.layout.vms}
    for vm in old.layout.vms:
        if vm.id not in own and (vm.id not in after or after[vm.id].host != vm.host):
            yield f"次の計画では、ほかの団体の「{vm.id}」が動くか、なくなります。先に済ませるか、計画し直してください"


def certificate(plan: PlanFolder, told: Mapping[str, Any]) -> str:
    """The certificate of erasure. `told`: run, operator, agreed, tenant, time, and volumes and copies by place.

    Each of the latter is a list of `BYTES PATH`.
    """
    tenant = told["tenant"]
    names = {each.id: each.name for each in plan.estate.tenants}
    volumes, copies = list(_files(told["volumes"])), list(_files(told["copies"]))
    time = datetime.fromisoformat(told["time"]).astimezone(JAPAN)
    return _CERTIFICATE.format(
        name=names.get(tenant, tenant),
        tenant=tenant,
        run=told["run"],
        operator=told["operator"],
        agreed=told["agreed"],
        time=f"{time.year}年{time.month}月{time.day}日 {time:%H:%M:%S}（始めた日時。終わりは操作記録による）",
        estate=plan.layout.estate.name,
        generation=plan.layout.generation,
        digest=plan.layout_digest[:12],
        volumes=len(volumes),
        volume_bytes=sum(size for _, size, _ in volumes),
        volume_lines=_listed(volumes),
        copies=len(copies),
        copy_bytes=sum(size for _, size, _ in copies),
        copy_lines=_listed(copies),
    )


def _files(found: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, int, str]]:
    for place, lines in sorted(found.items()):
        for line in lines:
            size, _, path = line.strip().partition(" ")
            if path:
                yield place, int(size), path


def _listed(files: Sequence[tuple[str, int, str]]) -> str:
    return "".join(f"  {place}  {path}  {size:,} バイト\n" for place, size, path in files) or "  なし\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """What the runbook calls. Answers the exit code: 0, or 1 with Japanese lines on stderr."""
    parser = argparse.ArgumentParser(prog="python -m runbooks.removal", description="団体の削除")
    questions = parser.add_subparsers(dest="question", required=True)
    check = questions.add_parser("check")
    check.add_argument("--plan", type=Path, required=True)
    check.add_argument("--next", type=Path, required=True)
    check.add_argument("--tenant", required=True)
    paper = questions.add_parser("certificate")
    paper.add_argument("--plan", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    try:
        plan = folder.read(chosen.plan)
        if chosen.question == "certificate":
            sys.stdout.write(certificate(plan, json.loads(sys.stdin.read())))
            return 0
        found = list(problems(plan, folder.read(chosen.next), chosen.tenant))
    except FolderError as error:
        found = [str(error)]
    sys.stderr.write("".join(f"{line}\n" for line in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
