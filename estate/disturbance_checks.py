"""Disturbances that contradict themselves or name what does not exist, in the catalogue and in the estate file."""

from __future__ import annotations

from collections.abc import Iterator

from .case import Case
from .catalogue_records import Catalogue
from .disturbance_records import Disturbances, Duration
from .known import Known, unknown
from .places import Step
from .records import EstateFile
from .validation import Document

LONGEST_DAYS = 366
"""The load after a disaster is written down day by day for at most so long."""


def check(case: Case) -> None:
    """Report what is wrong in the `disturbances` of both files."""
    _check(case.estate, case.file.disturbances, case.known)
    if case.catalogue is not None and case.catalogue.record is not None:
        _check(case.catalogue, case.catalogue.record.disturbances, case.known)


def _check(document: Document[EstateFile] | Document[Catalogue], disturbances: Disturbances, known: Known) -> None:
    for path, duration in _durations(disturbances):
        if duration.p95_min < duration.median_min:
            message = f"95 % 点 {duration.p95_min:g} 分が中央値 {duration.median_min:g} 分より短くなっています"
            document.report([*path, "p95_min"], f"{message}。中央値以上にしてください")
    failed = disturbances.failed_run
    if failed is not None and failed.work_from > failed.work_until:
        message = f"失敗する位置が逆です（{failed.work_from:g} から {failed.work_until:g}）"
        document.report(["disturbances", "failed_run", "work_until"], f"{message}。work_from 以上にしてください")
    emergency = disturbances.emergency
    if emergency is None:
        return
    here: list[Step] = ["disturbances", "emergency"]
    for index, system in enumerate(emergency.systems):
        if system not in known.systems:
            document.report([*here, "systems", index], unknown("業務システム", system, frozenset(known.systems)))
    if not 1 <= len(emergency.by_day) <= LONGEST_DAYS:
        message = (
            f"by_day は 1 日以上 {LONGEST_DAYS} 日以内です（{len(emergency.by_day)} 日）。日ごとの割合を書いてください"
        )
        document.report([*here, "by_day"], message)
    if emergency.profile not in known.profiles:
        document.report([*here, "profile"], unknown("負荷の型", emergency.profile, known.profiles))


def _durations(disturbances: Disturbances) -> Iterator[tuple[list[Step], Duration]]:
    for name in Disturbances.model_fields:
        block = getattr(disturbances, name)
        for field in type(block).model_fields if block is not None else ():
            value = getattr(block, field)
            if isinstance(value, Duration):
                yield ["disturbances", name, field], value
