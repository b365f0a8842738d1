"""What an operator agrees to before the first step, and whether that was agreed to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runbooks.errors import RunbookError
from runbooks.running.scope import target
from runbooks.running.survey import Survey
from runbooks.text import templates

YES = "yes"
MOST_NAMES = 20


@dataclass(frozen=True)
class Consent:
    """How the operator agrees: `--yes`, `--confirm NAME`, or by typing (`ask` is None where nobody can type)."""

    yes: bool = False
    confirm: str | None = None
    ask: Callable[[str], str] | None = None


def text(survey: Survey, operator: str) -> list[str]:
    """The lines that name hosts, VMs, tenants and the blast radius."""
    header, reach = survey.scope.runbook.header, survey.reach
    to_do = [step for step in survey.planned if step.state != "done"]
    lines = [
        f"{header.title}（{survey.scope.runbook.name}）",
        f"  対象ホスト　：{_names(reach.hosts)}",
        f"  仮想サーバ　：{_names(reach.vms)}",
        f"  影響する団体：{_names(reach.tenants)}",
        f"  影響　　　　：{header.impact}",
        f"  手順　　　　：{len(to_do)} 件",
        f"  実行者　　　：{operator}",
    ]
    lines += [f"  破壊的な操作：{title}" for title in survey.destructive]
    for found in (found for each in survey.all() for found in each.found if found.confirm):
        told = found.current if isinstance(found.current, list) else [templates.plain(found.current)]
        lines += [f"  {found.title}：", *(f"    {line}" for line in told)]
    texts = dict.fromkeys(
        step.confirm for each in survey.all() for step in each.scope.runbook.steps if step.confirm is not None
    )
    return [*lines, *(f"  注意　　　　：{each}" for each in texts)]


def require(survey: Survey, consent: Consent) -> str:
    """How it was agreed to, for the journal. Raises RunbookError where it was not.

    `--yes` is not enough for what is destructive: the target's own name must be typed.
    """
    name = target(survey.scope)
    if consent.confirm is not None and consent.confirm != name:
        raise RunbookError(f"--confirm「{consent.confirm[:80]}」は対象の名前「{name}」と違います")
    if survey.destructive:
        if consent.confirm == name:
            return f"--confirm {name}"
        if consent.ask is None:
            raise RunbookError(f"破壊的な操作を含むので --yes だけでは実行しません。--confirm {name} を付けてください")
        if consent.ask(f"実行するには対象の名前（{name}）を入力してください: ").strip() != name:
            raise RunbookError("対象の名前が入力されなかったので、実行しません")
        return f"typed {name}"
    if consent.yes or consent.confirm == name:
        return "--yes" if consent.yes else f"--confirm {name}"
    if consent.ask is None:
        raise RunbookError("確認が要ります。--yes を付けるか、端末から実行してください")
    if consent.ask(f"実行するには {YES} と入力してください: ").strip() != YES:
        raise RunbookError("確認されなかったので、実行しません")
    return f"typed {YES}"


def _names(names: tuple[str, ...]) -> str:
    more = f" ほか {len(names) - MOST_NAMES}" if len(names) > MOST_NAMES else ""
    return ("、".join(names[:MOST_NAMES]) or "なし") + more
