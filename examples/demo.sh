#!/usr/bin/env bash
# The whole product on real input: plan the pilot, simulate its tightest week, count its licences, write its report;
# then build the small example on real libvirt hosts with the real engine, show its guests, and take everything down.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '\033[2m$ %s\033[0m\n' "$*"; "$@"; }

say "1. 計画：大分県・宮崎県の 10 団体、40 業務"
run kumiai plan examples/pilot/estate.yaml -o out/pilot

say "2. 模擬：最も混む週（処理量、開始の遅れ、失敗、ホストの停止を乱数で変えて 20 回）"
run kumiai simulate out/pilot --week tightest

say "3. ライセンス：必要数と違反（繁忙期の一時増強が違反になる例なので、終了コード 3 が正しい結果です）"
code=0
run kumiai license count out/pilot || code=$?
if [ "$code" -ne 3 ]; then
    echo "終了コード 3 のはずが $code でした" >&2
    exit 1
fi

say "4. 費用：5 年間の費目と、だれがいくら負担するか（価格は例）"
run kumiai license split out/pilot --years 5

say "5. 報告書、ワークブック（台帳と見積内訳書）、FOCUS の CSV"
run kumiai report out/pilot --format html,xlsx,focus

say "6. 実機：libvirt の物理サーバ 2 台を立ち上げ、本物の Pulumi で構築する"
if [ "$(uname -s)" != Linux ] || [ "$(id -u)" -ne 0 ]; then
    echo "実機の部は省略します：Linux と root 権限が必要です"
    exit 0
fi
python tools/build.py
run kumiai plan examples/lab/estate.yaml -o out/lab
state=$(mktemp -d)
cleanup() {
    say "7. 片付け（保護された仮想サーバは pulumi destroy を拒むので、検証環境ごと消します）"
    run kumiai lab down
    rm -rf "$state"
}
trap cleanup EXIT
run kumiai lab up --plan out/lab
run kumiai runbook run apply-network --plan out/lab --lab --state "$state" --operator yamada.h --yes
run kumiai deploy out/lab --lab --state "$state"
run kumiai lab status --wait 60
