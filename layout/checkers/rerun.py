"""Does the window leave room for one rerun of the same length after the planned end?"""

from __future__ import annotations

import numpy as np

from .findings import Findings
from .view import View


def check(view: View) -> Findings:
    """Violations of `end + (end - start) <= window_end`, where the table or the estate asks for it."""
    found = Findings()
    policy = view.folder.estate.policy.rerun_room
    by_estate = np.array([job.rerun_room and policy for job in view.folder.estate.jobs] + [False])
    asked = view.rerun_room | by_estate[view.job]
    late = view.end + (view.end - view.start) - view.window_end
    found.add_where(
        asked & (late > 1),
        lambda i: (
            f"{view.run_id(i)}: 再実行の余裕が {late[i] / 60e6:.0f} 分足りません"
            f"（枠の終わり {view.moment(view.window_end[i])}）"
        ),
    )
    return found
