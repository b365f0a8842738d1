"""Sentences about a split, in Japanese."""

from __future__ import annotations

from collections.abc import Sequence

from layout.bill_records import SPLIT_BASES

from .ground_records import Party
from .records import SplitMethod, TenantTakes, as_percent

MONTHS_NOTE = (
    "年度途中の加入と脱退は月割りです。月の一部でも加入していれば 1 か月と数えます。"
    "どの割り方も加入月数を掛けて按分します。"
)
VALUE_NOTE = (
    "シャープレイ値の v(S) は、同じ配置に団体の集まり S の仮想サーバだけを置いたときの、その費目の費用です"
    "（共用システムの仮想サーバは S に利用団体が一つでもあれば含み、ホストに置く製品は常に含みます）。"
)
STAND_ALONE_NOTE = (
    "「単独費用」は、その団体の仮想サーバだけを同じ配置に置いたときの費用 v({i}) です。継続費用は加入月数で按分し、"
    "初期費用は全額とします。負担が単独費用を超える団体は名指しします。"
)
USE_NOTE = (
    "実績割とピーク責任割は計画年度の計画値によります。2 年目からは、その加入 1 か月あたりの量に加入月数を掛けます。"
    "共用システムの量は利用団体の人口と加入月数で配ります。"
)
PEAK_NOTE = (
    "ピーク責任割は、拠点ごとに計画の CPU 負荷が最大になる 10 分枠の需要で割り、拠点はホストの台数で重みを付けます。"
)
METHOD_NOTES = (MONTHS_NOTE, USE_NOTE, PEAK_NOTE, VALUE_NOTE, STAND_ALONE_NOTE)
"""For the bill: what a reader of any split must know."""
_REMAINDERS = {
    "largest-share": "負担が最大の団体",
    "first": "構成ファイルの最初の団体",
    "largest-remainder": "切捨てが大きい順",
}


def because(
    method: SplitMethod,
    parties: Sequence[Party],
    *,
    over: Sequence[str],
    empty: Sequence[str],
    has_cost: bool,
    sampled: bool,
) -> str:
    """Answers how an item was divided: parts, truncation, remainder, and whom it treats worse than alone."""
    names = {party.id: party.name for party in parties}
    parts = " + ".join(f"{SPLIT_BASES[part.by]} {as_percent(part.share)}" for part in method.parts)
    taker = method.remainder
    if isinstance(taker, TenantTakes):
        who = names.get(taker.tenant, f"{taker.tenant}（この費目を負担しないため、負担が最大の団体）")
    else:
        who = _REMAINDERS[taker]
    cut = "1 円未満" if method.truncate_jpy == 1 else f"{method.truncate_jpy:,} 円未満"
    text = [f"{parts}。各団体の年額の {cut}を切り捨て、残りは{who}が負担"]
    text += [f"{SPLIT_BASES[by]}の基礎がすべて 0 の年度は加入月数で等分" for by in dict.fromkeys(empty)]
    if sampled:
        text.append("加入の順を抽出した推定値（95 % 信頼区間つき）")
    if over:
        text.append(f"単独費用を超える団体：{'、'.join(names[name] for name in over)}")
    elif has_cost:
        text.append("単独費用を超える団体はない")
    text += [f"未確認：{what}" for what in method.unverified]
    return "。".join(sentence.rstrip("。") for sentence in text) + "。"
