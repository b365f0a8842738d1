"""An independent auditor: whether what an engine says can be true (docs/simulation-model.md).

It reads a system and a result, computes no schedule of its own and knows no engine. `audit` answers with findings in
words; none means that the result passes. Without a served table only what the times alone tell is audited.
"""

from __future__ import annotations

import numpy as np

from ..columns import SimulationInput
from ..records import SimulationResult
from .evidence import Evidence
from .fairness import check_fairness
from .pools import check_pools
from .queues import check_attempts, check_queues
from .service import check_accounts, check_rows, check_totals
from .takes import slot_takes
from .times import check_times
from .wants import wanted_work


def audit(system: SimulationInput, result: SimulationResult) -> list[str]:
    """What is wrong with this result, one finding per rule that is broken; an empty list is a pass."""
    evidence = Evidence(system, result)
    if not check_times(evidence):
        return evidence.findings  # nothing further makes sense of such times
    takes = slot_takes(evidence)
    check_queues(evidence, takes)
    check_pools(evidence)
    if result.served is None:
        check_attempts(evidence, takes, np.isfinite(result.work_end_s))
        return evidence.findings
    if check_rows(evidence, result.served):
        wants = wanted_work(evidence, takes, result.served)
        check_attempts(evidence, takes, wants.has_failed)
        check_totals(evidence, result.served)
        check_accounts(evidence, result.served)
        check_fairness(evidence, result.served, wants)
    return evidence.findings
