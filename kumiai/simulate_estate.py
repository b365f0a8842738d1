"""`kumiai simulate ESTATE.yaml -o OUT`: a whole estate without a plan, every run at its earliest start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from .estate_files import findings
from .memory_limit import bytes_of
from .terminal import INTERRUPTED, UNFIT, RefusedError, emit, emit_json, progress_bar, tell

if TYPE_CHECKING:
    from capacity.simulation.engines import EngineName
    from capacity.unplanned.groups import SiteGroup

WORKERS = 2


def simulate_estate(
    estate: Path, output: Path | None, memory_limit: str | None, as_json: bool, engine: EngineName = "fast"
) -> None:
    """Simulate the estate file over its horizon into the folder `output`, which is replaced as a whole.

    `memory_limit` such as `4GiB` refuses what would need more. Raises RefusedError for every user's mistake.
    """
    if output is None:
        raise RefusedError("構成ファイルの模擬には結果のフォルダー -o OUT が要ります")
    limit = None if memory_limit is None else bytes_of(memory_limit)
    _refuse_destination(output)
    import estate as estates

    try:
        survey = estates.survey(estate)
    except estates.EstateErrors as errors:
        if as_json:
            emit_json(findings(errors.problems))
        raise RefusedError(*map(str, errors.problems), exit_code=errors.exit_code) from None
    from capacity.unplanned import groups, placement, study, summary, templates
    from layout import exchange

    known = templates.templates(survey)
    parts = groups.site_groups(known)
    workers = _workers(parts, limit)
    for warning in survey.estate.warnings:
        tell(warning)
    made: dict[str, object] = {}

    def fill(folder: Path) -> None:
        runs = folder / "runs"
        runs.mkdir()
        with progress_bar() as progress:
            found = study.simulate(known, parts, runs, engine=engine, workers=workers, progress=progress)
        if not found.sites and found.interrupted:
            raise KeyboardInterrupt
        made.update(summary.document(known, found, engine=engine, workers=workers))
        text = json.dumps(made, ensure_ascii=False, indent=1) + "\n"
        exchange.write_file(folder / summary.FILE, text.encode())

    try:
        exchange.replace_folder(output.resolve(), fill)
    except placement.NoRoomError as error:
        raise RefusedError(
            f"{estate}: 拠点 {error.site} のホスト {error.hosts} 台（予備を除く）に仮想サーバ {error.vm} を置けません。"
            "ホストを増やすか、仮想サーバを小さくしてください",
            exit_code=UNFIT,
        ) from None
    except OSError as error:
        raise RefusedError(f"{output}: 書き込めません（{error.strerror or error}）", exit_code=1) from None
    if as_json:
        emit_json(made)
    else:
        emit(str(made["verdict"]))
        emit(f"結果：{output}")
    if made["interrupted"]:
        raise RefusedError("中断しました。終わった拠点の結果だけを残しました", exit_code=INTERRUPTED)


def _refuse_destination(output: Path) -> None:
    """Refuse what must not be replaced: only an absent or empty folder, or an earlier result of this command."""
    from capacity.unplanned.summary import FILE

    try:
        if output.is_symlink() and not output.exists():
            raise RefusedError(f"{output}: 行き先のないシンボリックリンクです")
        if not output.exists():
            return
        if not output.is_dir():
            raise RefusedError(f"{output}: 同じ名前のファイルがあります。フォルダーの名前を指定してください")
        if any(output.iterdir()) and not ((output / FILE).is_file() and (output / "runs").is_dir()):
            raise RefusedError(
                f"{output}: 模擬の結果のフォルダーではない（{FILE} と runs なし）ので置き換えません。"
                "別の名前を指定してください"
            )
    except OSError as error:
        raise RefusedError(f"{output}: 調べられません（{error.strerror}）") from None


def _workers(parts: tuple[SiteGroup, ...], limit: int | None) -> int:
    """How many groups of sites at once: as many as the limit allows. Raises RefusedError where not even one fits."""
    from capacity.unplanned import memory

    most = min(WORKERS, max(len(parts), 1))
    if limit is None:
        return most
    workers = memory.workers_within(parts, limit, most)
    if not workers:
        least = memory.needed(parts, 1)
        raise RefusedError(
            f"--memory-limit: 約 {least / 1024**3:.1f} GiB が要り、{limit / 1024**3:.1f} GiB に収まりません"
            f"（最大の拠点 {'、'.join(parts[0].sites)[:80]} の {parts[0].runs:,} 件）。"
            "上限を上げるか、拠点を分けるか、horizon の期間を短くしてください"
        )
    return workers
