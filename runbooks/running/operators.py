"""Who runs a procedure: one person's ID. Access to residents' systems is recorded by person, so no ID is shared."""

from __future__ import annotations

import re

from runbooks.errors import RunbookError

VARIABLE = "KUMIAI_OPERATOR"
_FORM = re.compile(r"[a-z][a-z0-9]*([._-][a-z0-9]+)*(@[a-z0-9.-]+)?")
_SHARED_NAMES = """
root admin administrator adm ops op operator operators oper user users guest test tester system sys staff team
shared share common public infra infrastructure support maintenance maint kumiai center centre nobody anonymous
daemon libvirt sysadmin webmaster postmaster sudo wheel sa dba db backup helpdesk office desk night day shift duty
demo sample example someone person owner manager leader dev devops sre noc it ict dc datacenter datacentre
kanri kanrisha kyoyo unyo unyou hoshu tantou tanto tantousha tantosha kiban joho jouhou jimu jimukyoku denzan
toban touban shokuin buka kacho kakari itaku gyosha gyousha
"""
"""Names of roles, rooms and shifts, in English and in Japanese as people type it; one line may be added at any time."""
SHARED = frozenset(_SHARED_NAMES.split())


def require(operator: str | None) -> str:
    """The operator's ID. Raises RunbookError for none, one of another form, and one that several people share."""
    if not operator:
        raise RunbookError(f"実行者の ID がありません。--operator か環境変数 {VARIABLE} で個人の ID を指定してください")
    if len(operator) > 64 or not _FORM.fullmatch(operator):
        raise RunbookError(
            f"実行者の ID「{operator[:64]}」の形が違います。英小文字、数字、. _ - で書いてください（例 yamada.h）"
        )
    name = operator.partition("@")[0]
    words = [word for part in re.split(r"[._-]", name) if (word := part.rstrip("0123456789"))]
    if name in SHARED or all(word in SHARED for word in words):
        raise RunbookError(
            f"実行者の ID「{operator}」は共用の名前です。操作の記録は個人ごとです。"
            "個人の ID を指定してください（例 yamada.h）"
        )
    return operator
