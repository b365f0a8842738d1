"""What the evidence marks of rules and prices mean, in the reader's words."""

from __future__ import annotations

from collections.abc import Collection, Iterable

EVIDENCE = {
    "P": "販売元の文書",
    "D": "資産管理製品などの解説文書",
    "S": "二次情報",
    "C": "規則からの計算",
    "unverified": "未確認",
}
BASIS = {
    "law": "法令",
    "standard": "標準仕様",
    "published": "公表値",
    "measured": "実測",
    "assumed": "仮定値",
}
PRICE_EVIDENCE = {"example": "例（実際の価格ではありません）", "list": "価格表", "quote": "見積書"}
LEGEND = "根拠の記号：" + "、".join(
    f"{'未確認' if mark == 'unverified' else mark}＝{text}" for mark, text in EVIDENCE.items() if mark != "unverified"
) + "、未確認＝値を確かめていない"  # fmt: skip


def mark(evidence: str) -> str:
    """The mark as pages print it: 未確認 for a rule whose values are unverified, 仮定値 for an assumed amount."""
    if evidence == "unverified":
        return "未確認"
    return BASIS.get(evidence, evidence)


def of_rule(evidence: str, unverified: Collection[str]) -> str:
    """The mark of a rule: also 未確認 where only some of its values were not checked."""
    own = mark(evidence)
    return f"{own}・未確認" if unverified and evidence != "unverified" else own


def marks(evidences: Iterable[str]) -> str:
    """Different marks, in the order of the legend, joined."""
    order = [*EVIDENCE, *BASIS]
    found = set(evidences)
    return "・".join(mark(each) for each in sorted(found, key=lambda e: (order.index(e) if e in order else 99, e)))
