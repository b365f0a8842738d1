"""The journal as an access record: who did what to whose systems, when, with what result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from runbooks.running.journal import TORN, Entry, Journal

OUTCOMES = {
    "done": "完了", "failed": "失敗", "refused": "前提条件で拒否", "stopped": "中断", "rehearsed": "下見のみ",
    "rolled back": "元へ戻した", "not confirmed": "確認されず", "": "途中（記録が終わっていない）",
}  # fmt: skip


@dataclass
class RunSummary:
    """One run."""

    run: str
    operator: str
    runbook: str
    began: str
    ended: str = ""
    outcome: str = ""
    dry_run: bool = False
    """It only looked, however it ended."""
    commit: str = ""
    layout_digest: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    hosts: list[str] = field(default_factory=list)
    vms: list[str] = field(default_factory=list)
    tenants: list[str] = field(default_factory=list)
    commands: list[dict[str, Any]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


@dataclass
class Summary:
    """Every run, and the newest hash of the chain: noted elsewhere, it proves later that nothing was cut off."""

    runs: list[RunSummary]
    entries: int
    head: str
    torn: int


def summary(journal: Journal) -> Summary:
    """What the journal tells. Raises JournalError where its chain is broken."""
    runs: dict[str, RunSummary] = {}
    count, head, torn = 0, "", 0
    for entry in journal.entries():
        count, head = entry.seq, entry.hash
        torn += entry.kind == TORN
        _take(runs, entry)
    return Summary(list(runs.values()), count, head, torn)


def _take(runs: dict[str, RunSummary], entry: Entry) -> None:
    data = entry.data
    if entry.kind in ("started", "rehearsal"):
        runs[entry.run] = RunSummary(
            entry.run,
            data["operator"],
            data["runbook"],
            data["at"],
            dry_run=entry.kind == "rehearsal",
            commit=data["commit"],
            layout_digest=data["layout_digest"],
            parameters=dict(data["parameters"]),
            hosts=list(data.get("hosts", ())),
            vms=list(data.get("vms", ())),
            tenants=list(data.get("tenants", ())),
        )
    known = runs.get(entry.run)
    if known is None:
        return
    if entry.kind in ("confirmed", "looked_at"):
        known.hosts, known.vms, known.tenants = list(data["hosts"]), list(data["vms"]), list(data["tenants"])
    elif entry.kind == "command":
        known.commands.append({key: data[key] for key in ("at", "operator", "step", "phase", "machine", "command")})
        if data["machine"] not in (*known.hosts, "local"):
            known.hosts.append(data["machine"])
    elif entry.kind == "result" and known.commands:
        known.commands[-1] |= {key: data[key] for key in ("code", "output_digest")}
    elif entry.kind == "ended":
        known.ended, known.outcome, known.reasons = data["at"], data["outcome"], list(data["lines"])
    elif entry.kind == "resumed":
        known.outcome = ""
        if data["operator"] != known.operator:
            known.operator += f"、{data['operator']}"


def chosen(found: Summary, *, tenant: str | None, operator: str | None, run: str | None) -> Summary:
    """Only the runs that these name."""
    runs = [
        each
        for each in found.runs
        if (tenant is None or tenant in each.tenants)
        and (operator is None or operator in each.operator.split("、"))
        and (run is None or run == each.run)
    ]
    return Summary(runs, found.entries, found.head, found.torn)


def lines(found: Summary, *, commands: bool) -> Iterator[str]:
    """The summary for people, the newest run last."""
    torn = f"、途中で切れた行 {found.torn}" if found.torn else ""
    yield f"記録：実行 {len(found.runs)} 件、{found.entries} 行、つながりは正しい{torn}"
    if found.head:
        yield f"最新のハッシュ：{found.head}（別の場所に控えると、末尾の削除も見つけられます）"
    for each in found.runs:
        name = f"{each.runbook}（下見）" if each.dry_run else each.runbook
        yield (
            f"{each.began[:19].replace('T', ' ')}  {each.run}  {each.operator}  {name}  "
            f"{OUTCOMES.get(each.outcome, each.outcome)}"
        )
        given = " ".join(f"{name}={value}" for name, value in each.parameters.items())
        yield f"    {given or '引数なし'}"
        yield (
            f"    ホスト {'、'.join(each.hosts) or 'なし'}　仮想サーバ {'、'.join(each.vms) or 'なし'}　"
            f"団体 {'、'.join(each.tenants) or 'なし'}　命令 {len(each.commands)} 件"
        )
        yield from (f"    理由：{reason}" for reason in each.reasons)
        for command in each.commands if commands else ():
            code = command.get("code", "?")
            yield f"    {command['at'][11:19]} {command['machine']} [{command['phase']}] {code}  {command['command']}"


def document(found: Summary, *, commands: bool) -> dict[str, Any]:
    """The summary as plain data."""
    return {
        "verdict": f"実行 {len(found.runs)} 件",
        "entries": found.entries,
        "head": found.head,
        "torn": found.torn,
        "runs": [
            {**{key: value for key, value in vars(each).items() if key != "commands" or commands},
             "command_count": len(each.commands)}
            for each in found.runs
        ],
    }  # fmt: skip
