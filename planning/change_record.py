"""One change, in short."""

from __future__ import annotations

from typing import Literal, TypeAlias

from layout.records import ChangeRecord

Kind: TypeAlias = Literal["host", "vm", "network", "address", "size", "disk", "time", "flow", "image"]
Change: TypeAlias = Literal["added", "removed", "changed"]
FROM_ESTATE = "構成ファイルが変わったため"


def change(
    kind: Kind,
    how: Change,
    subject: str,
    what: str = "",
    before: str = "",
    after: str = "",
    *,
    reason: str,
    runbook: str = "",
) -> ChangeRecord:
    """A record; `runbook` is empty where `kumiai deploy`, or nobody, has to do anything on standing VMs."""
    return ChangeRecord(
        kind=kind, change=how, subject=subject, what=what, before=before, after=after, reason=reason, runbook=runbook
    )
