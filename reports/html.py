"""The report as one HTML page: no script, nothing fetched, every name escaped."""

from __future__ import annotations

from datetime import timedelta

from layout.wareki import fiscal_year_name, wareki, wareki_time

from .bill_section import bill_section, remedy_section
from .figures import number, share
from .ground_section import assumptions_section, bounds_section, checks_section, making_section
from .isolation_section import isolation_section, responsibility_section
from .licence_section import licence_section
from .load_section import load_section
from .markup import Markup, Part, join, table, tag
from .money import change_sentence, sums, thousand
from .record import HostLine, ReportRecord, SiteReport
from .simulation_section import simulation_section
from .style import CSS

# Nothing may be loaded or run, whatever a name in the estate tries.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render(record: ReportRecord) -> str:
    """The page. The same record gives the same text."""
    sections = (
        ("misfits", "適合しない点", _misfits(record)),
        ("load", "最も混む週の CPU 負荷", load_section(record)),
        ("hosts", "ホストの割り当て", _hosts(record)),
        ("licences", "ライセンス", licence_section(record)),
        ("remedies", "不足への対応策", remedy_section(record)),
        ("bill", "費用と負担", bill_section(record)),
        ("simulation", "模擬", simulation_section(record)),
        ("isolation", "通信の可否", isolation_section(record)),
        ("responsibility", "責任分界", responsibility_section(record)),
        ("bounds", "下限との差", bounds_section(record)),
        ("assumptions", "仮定値に依存するもの", assumptions_section(record)),
        ("checks", "検査の結果", checks_section(record)),
        ("making", "作成の記録", making_section(record)),
    )
    shown = [(key, title, body) for key, title, body in sections if body]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", f"{record.estate_name} 計画の報告書"),
        tag("style", Markup(CSS)),
    )
    page = tag(
        "html",
        head,
        tag(
            "body",
            _header(record, [(key, title) for key, title, _ in shown]),
            tag(
                "main",
                *(tag("section", tag("h2", title, id=key), body, aria_labelledby=key) for key, title, body in shown),
            ),
            tag("footer", f"{record.estate_name}　構成 {record.layout_digest[:12]}　kumiai {record.kumiai_version}"),
        ),
        lang="ja",
    )
    return f"<!DOCTYPE html>\n{page}\n"


def _header(record: ReportRecord, contents: list[tuple[str, str]]) -> Markup:
    last = record.end - timedelta(microseconds=1)
    notes: list[Part] = [tag("p", line, class_="note") for line in (*record.missing, *record.warnings)]
    if record.interrupted:
        notes.insert(0, tag("p", "計画は途中で止められました。その時点までの結果です。", class_="note"))
    return tag(
        "header",
        tag("p", record.verdict, class_="verdict" if record.fits else "verdict bad"),
        tag("h1", f"{record.estate_name}　{fiscal_year_name(record.fiscal_year)} 計画の報告書"),
        tag(
            "p",
            f"計画期間 {wareki(record.start)}から{wareki(last)}まで（準備期間を含む）、"
            f"{number(sum(not line.shared for line in record.tenants))} 団体",
            class_="soft",
        ),
        _tiles(record),
        *notes,
        tag(
            "nav",
            tag("ul", *(tag("li", tag("a", title, href=f"#{key}")) for key, title in contents)),
            aria_label="目次",
        ),
    )


def _tiles(record: ReportRecord) -> Markup:
    """The answers in figures; the tightest site speaks for all."""
    tiles: list[tuple[str, Part, str]] = []
    peaks = [(site, site.peak) for site in record.sites if site.peak is not None]
    if peaks:
        site, peak = max(peaks, key=lambda pair: pair[1].after_cores / max(pair[1].capacity_cores, 1e-9))
        headroom = share(peak.capacity_cores - peak.after_cores, peak.capacity_cores)
        tiles.append(
            (
                f"最も混む 10 分の CPU 余裕（{site.name}）",
                headroom,
                f"{number(peak.after_cores, 1)} / {number(peak.capacity_cores)} コア、{wareki_time(peak.after_at)}",
            )
        )
        tiles.append(
            (
                f"平準化の効果（{site.name}）",
                f"{number(peak.before_cores, 1)} → {number(peak.after_cores, 1)} コア",
                f"できるだけ早く始めた場合の {share(peak.after_cores, peak.before_cores)}",
            )
        )
    hosts = [host for site in record.sites for host in site.hosts]
    used, spare = sum(host.vms > 0 for host in hosts), sum(host.spare for host in hosts)
    tiles.append(("ホスト", f"使用 {number(used)} 台＋予備 {number(spare)} 台", f"全 {number(len(hosts))} 台のうち"))
    if record.licences is None:
        tiles.append(("ライセンス", "未計数", "kumiai license count で数えます"))
    elif not record.licences.entitlements_known:
        tiles.append(("ライセンス", f"{len(record.licences.products)} 製品", "保有数が分からないので不足は未確認"))
    else:
        short = len(record.licences.violations)
        text = tag("span", f"不足 {number(short)} 件", class_="bad-text") if short else "不足なし"
        tiles.append(("ライセンス", text, f"{len(record.licences.products)} 製品、契約書が優先します"))
    if record.bill is None:
        tiles.append(("費用と負担", "未計算", "kumiai license split で計算します"))
    else:
        bill = record.bill
        unpriced = f"、価格のない製品 {number(len(bill.unpriced))} 件を除く" if bill.unpriced else ""
        tiles.append(
            (
                f"契約 {bill.years} 年の費用（税抜き）",
                f"{thousand(sums(bill, bill.items)[-1])} 千円",
                f"現行と比べて {change_sentence(bill)}{unpriced}",
            )
        )
    if record.simulation is None:
        tiles.append(("処理量が変わったときの遅れ", "未模擬", "kumiai simulate で模擬します"))
    else:
        late = sum(job.late_share > 0 or job.overrun_share > 0 for job in record.simulation.jobs)
        tiles.append(
            (
                "処理量が変わったときの遅れ",
                tag("span", f"{number(late)} 種の処理", class_="bad-text") if late else "なし",
                f"{'最も混む週' if record.simulation.night is None else '夜'}を"
                f" {number(record.simulation.replications)} 回模擬",
            )
        )
    tiles.append(("仮定値", f"{number(len(record.assumptions))} 件", "結果はこれらに依存します"))
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", tag("span", big, class_="big"), tag("small", small)))
            for name, big, small in tiles
        ),
        class_="tiles",
    )


def _misfits(record: ReportRecord) -> Markup:
    if not record.misfits:
        return Markup("")
    return table(
        f"適合しない点 {len(record.misfits)} 件",
        ("理由", "団体", "業務", "処理", "時刻", "不足（分）"),
        (
            (
                misfit.reason,
                misfit.tenant or "—",
                misfit.system or "—",
                misfit.job or "—",
                "—" if misfit.at is None else wareki_time(misfit.at),
                "—" if misfit.minutes is None else number(misfit.minutes, 1),
            )
            for misfit in record.misfits
        ),
        numbers=(5,),
    )


def _hosts(record: ReportRecord) -> Markup:
    note = (
        "vCPU は繁忙期の増加を含む最大の割り当てです。上限は方針の倍率を掛けた値です。"
        "「CPU 最大」はホストごとの計画期間で最大の 10 分の平均です。"
    )
    return join((tag("p", note), *(_site_hosts(site) for site in record.sites if site.hosts)))


def _site_hosts(site: SiteReport) -> Markup:
    role = {"primary": "主", "backup": "バックアップ"}.get(site.role, site.role)
    used, spare = sum(host.vms > 0 for host in site.hosts), sum(host.spare for host in site.hosts)
    rest = sum(host.vms == 0 and not host.spare for host in site.hosts)
    return table(
        f"{site.name}（{role}）：使用 {used} 台、予備 {spare} 台、空き {rest} 台",
        ("ホスト", "状態", "VM", "vCPU 割り当て / 上限", "メモリー（GiB）", "ディスク（GiB）", "CPU 最大（コア）"),
        (
            (
                join((host.id, tag("span", host.model, class_="id"))),
                _state(host),
                number(host.vms),
                _used(host.vcpu, host.vcpu_limit),
                _used(host.memory_gib, host.memory_limit_gib),
                _used(host.disk_gib, host.disk_limit_gib),
                _used(host.peak_cores, host.cores, digits=1),
            )
            for host in site.hosts
        ),
        numbers=range(2, 7),
    )


def _state(host: HostLine) -> str:
    if host.spare:
        return "予備（N+1）"
    return "使用中" if host.vms else "空き"


def _used(used: float, limit: float, *, digits: int = 0) -> Markup:
    """Used of limit, with a bar; the bar ends at the limit."""
    width = 100 * min(used / limit, 1) if limit else 0
    return join(
        (
            f"{number(used, digits)} / {number(limit)}",
            tag("span", tag("i", style=f"width:{width:.0f}%"), class_="bar", aria_hidden="true"),
        )
    )
