"""One simulation of a sweep: the same pure function in a process of this machine and on a cluster."""

from __future__ import annotations

import traceback

from layout.errors import FolderError

from . import figures, plans, subject
from .records import Failed, Finished, Outcome, PlanBytes, Task
from .version import version


def run(plan: PlanBytes, task: Task) -> Outcome:
    """The figures of one scenario with one seed. Never raises: what goes wrong belongs to this task alone."""
    try:
        if task.version != version():
            return Failed("実行する側の kumiai かライブラリの版が、依頼した側と違います。同じ版をそろえてください")
        if task.plan_digest != plan.digest:
            return Failed("届いた計画が、依頼した計画と違います（ダイジェストの不一致）")
        settings = subject.Settings.model_validate_json(task.settings_json)
        return Finished(figures.to_bytes(figures.table(subject.simulate(plans.unpack(plan), settings))))
    except FolderError as error:
        return Failed(error.message)
    except MemoryError:
        return Failed("メモリーが足りません")
    except Exception as error:
        # A fault of the program in one task is reported with its name and traceback; the others go on.
        return Failed(f"プログラムの誤りです（{type(error).__name__}: {error}）", traceback.format_exc())
