"""Does an exclusive run have its tenant's system for itself?"""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from . import sweep
from .findings import Findings
from .view import View


def check(view: View) -> Findings:
    """Violations: two runs of one tenant's system at once, one of them exclusive."""
    found = Findings()
    runs = view.folder.runs
    names = pc.binary_join_element_wise(runs.column("tenant"), runs.column("system"), "/").combine_chunks()
    encoded = names.dictionary_encode()
    system = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    # Exclusive runs weigh n + 1 and others 1: the sum tells both counts.
    weight = len(view) + 1.0
    amount = np.where(view.exclusive, weight, 1.0)
    sums = sweep.levels(system, view.start, view.end, amount)
    exclusive = np.floor((sums.level + 0.25) / weight)
    others = sums.level - exclusive * weight
    found.add_where(
        (exclusive > 0.5) & (exclusive + others > 1.5),
        lambda i: (
            f"{encoded.dictionary[int(sums.group[i])].as_py()}: {view.moment(sums.time[i])} に専有の実行が"
            f"他の実行と重なります（{exclusive[i] + others[i]:.0f} 件）"
        ),
    )
    return found
