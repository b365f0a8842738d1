"""Does every run start after its release and end by its deadline?"""

from __future__ import annotations

from .findings import Findings
from .view import View


def check(view: View) -> Findings:
    """Violations of release and deadline, by planned start and by earliest start."""
    found = Findings()
    found.add_where(
        view.start < view.release,
        lambda i: (
            f"{view.run_id(i)}: 開始 {view.moment(view.start[i])} が解放 {view.moment(view.release[i])} より前です"
        ),
    )
    found.add_where(
        view.end > view.deadline,
        lambda i: (
            f"{view.run_id(i)}: 終了 {view.moment(view.end[i])} が期限 {view.moment(view.deadline[i])} を"
            f" {(view.end[i] - view.deadline[i]) / 60e6:.0f} 分過ぎています"
        ),
    )
    found.add_where(
        view.earliest < view.release,
        lambda i: f"{view.run_id(i)}: 最早開始 {view.moment(view.earliest[i])} が解放より前です",
    )
    return found
