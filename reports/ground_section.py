"""The report's sections on what its figures rest on: bounds, checkers, assumed values, and how it was made."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from layout.records import PLANNING_STEPS
from layout.wareki import wareki_time

from .figures import number, share
from .markup import Markup, Part, join, table, tag
from .record import AssumptionLine, ReportRecord

_RESOURCES = {"cpu_peak_cores": ("CPU の最大（コア）", 1), "hosts": ("ホスト（台）", 0)}
_CONFIDENCE = {"high": "高", "medium": "中", "low": "低"}
_CHECKERS = {
    "windows": "処理は業務の枠の中にあり、長さが正しい",
    "deadlines": "処理は開始できる時刻の後に始まり、期限までに終わる",
    "precedence": "先行する処理とその間隔を待っている",
    "slots": "VM の同時実行数と vCPU を超えない",
    "exclusivity": "排他の処理は業務を独占している",
    "rerun_room": "枠の中でもう一度やり直せる",
    "completeness": "すべての VM と処理が計画にある",
    "online": "昼間のオンライン負荷が入力どおり",
    "hosts": "VM は置いてよいホストにある",
    "capacity": "ホストのメモリー・ディスク・vCPU・コアを超えない",
    "anti_affinity": "離すべき VM が同じホストにない",
    "segments": "ネットワークの区分が守られている",
    "reserve": "予備のホストが空いていて、一台の故障を引き受けられる",
    "consistency": "名前・番号・アドレスに矛盾がない",
    "network": "団体のネットワークが分かれ、許した通信だけが通る",
    "peak": "負荷の集計と最大が処理の一覧と合う",
    "bounds": "下限とその差が計算し直した値と合う",
    "digest": "記録がこのファイルのものである",
    "fits": "適合・不適合の判定が検査の結果と合う",
}


def bounds_section(record: ReportRecord) -> Markup:
    """Lower bounds, what the plan reached, and why no plan can be below."""
    sites = {site.id: site.name for site in record.sites}
    rows = []
    for bound in record.bounds:
        name, digits = _RESOURCES[bound.resource]
        rows.append(
            (
                sites.get(bound.site, bound.site),
                name,
                number(bound.plan, digits),
                number(bound.lower_bound, digits),
                share(bound.gap, 1, 1),
                bound.proof,
            )
        )
    return join(
        (
            tag("p", "どのような計画でもこの下限より小さくはできません。差は（計画 − 下限）÷ 下限です。"),
            table(
                "計画の値と証明した下限", ("拠点", "対象", "計画", "下限", "差", "下限の証明"), rows, numbers=(2, 3, 4)
            ),
        )
    )


def checks_section(record: ReportRecord) -> Markup:
    """The verdict of every checker."""
    failed = [check for check in record.checks if not check.passed]
    violations = [
        join((
            tag("h3", f"{check.checker}：{number(check.count)} 件"),
            tag("ul", *(tag("li", line) for line in check.violations), class_="findings"),
        ))
        for check in failed
    ]  # fmt: skip
    return join(
        (
            tag("p", "計画を作る部分とは別に書かれた検査が、計画フォルダーの中身だけを読んで確かめた結果です。"),
            table(
                f"検査 {len(record.checks)} 種のうち {len(record.checks) - len(failed)} 種が合格",
                ("検査", "確かめること", "結果"),
                (
                    (
                        tag("span", check.checker, class_="mono"),
                        _CHECKERS.get(check.checker, "—"),
                        tag("span", "合格", class_="good-text")
                        if check.passed
                        else tag("strong", f"不合格 {number(check.count)} 件", class_="bad-text"),
                    )
                    for check in record.checks
                ),
            ),
            *violations,
        )
    )


def assumptions_section(record: ReportRecord) -> Markup:
    """What rests on 仮定値: counts by kind, population and system lists, and every value with its source."""
    kinds = Counter(line.kind for line in record.assumptions)
    parts: list[Part] = [
        tag(
            "p",
            f"公開された根拠のない値（仮定値）が {number(len(record.assumptions))} 件あります。"
            "この報告書の負荷・台数・遅れの値は、これらに依存します。実測値で置き換えると結果は変わります。",
            class_="note",
        ),
        table(
            "仮定値の種類と件数",
            ("種類", "件数"),
            ((kind, number(size)) for kind, size in kinds.most_common()),
            numbers=(1,),
            class_="narrow",
        ),
        table(
            "団体ごとの人口の根拠と、業務一覧の確度",
            ("団体", "人口（人）", "人口の根拠", "業務", "VM", "業務一覧の確度"),
            (
                (
                    line.name,
                    number(line.population),
                    line.population_basis or "記載なし",
                    number(line.systems),
                    number(line.vms),
                    _confidence(line.confidence),
                )
                for line in record.tenants
            ),
            numbers=(1, 3, 4),
        ),
        tag("p", "確度が「中」「低」の団体は、使っている業務の一覧が資料からの推定です。", class_="soft"),
    ]
    by_kind = sorted(record.assumptions, key=lambda line: line.kind)
    groups = {kind: list(lines) for kind, lines in groupby(by_kind, key=lambda line: line.kind)}
    parts += [_listing(kind, groups[kind]) for kind, _ in kinds.most_common()]
    return join(parts)


def _confidence(level: str | None) -> Markup:
    if level is None:
        return tag("span", "—")
    return tag("span", _CONFIDENCE.get(level, level), class_="bad-text" if level == "low" else None)


def _listing(kind: str, lines: list[AssumptionLine]) -> Markup:
    return tag(
        "details",
        tag("summary", f"{kind}：{number(len(lines))} 件の一覧"),
        table(
            f"仮定値：{kind}",
            ("場所", "内容", "出典・考え方"),
            ((tag("span", line.path, class_="mono"), line.what, line.source) for line in lines),
        ),
    )


def making_section(record: ReportRecord) -> Markup:
    """Versions, seed, digests and times."""
    rows: list[tuple[Part, Part]] = [
        ("計画した日時", wareki_time(record.created) if record.created else "記録なし"),
        ("kumiai", record.kumiai_version),
        ("使ったソフトウェア", "、".join(f"{name} {version}" for name, version in sorted(record.versions.items()))),
        ("乱数の種", str(record.seed)),
        ("計画の世代", str(record.generation)),
        ("入力のダイジェスト（SHA-256）", tag("span", record.estate_digest, class_="mono")),
        ("構成のダイジェスト（SHA-256、layout.json）", tag("span", record.layout_digest, class_="mono")),
        ("処理の件数", f"{number(record.runs)} 件"),
        (
            "計算時間",
            "、".join(
                f"{PLANNING_STEPS.get(step, step)} {seconds:.1f} 秒" for step, seconds in record.timings_s.items()
            )
            or "記録なし",
        ),
    ]
    return join(
        (
            table("作成の記録", ("項目", "値"), rows),
            tag("p", "この報告書は保存された結果を描いたもので、計画・計数・模擬をやり直していません。", class_="soft"),
        )
    )
