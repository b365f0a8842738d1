"""Every simulation of the suite is audited: importing this wraps the entry of each engine before tests bind it."""

import importlib.util
from dataclasses import replace
from functools import wraps

from capacity.simulation import reference
from capacity.simulation.audit import audit

MOST_ROWS = 50_000
"""Runs and demand steps up to which recording all service is affordable; above, the times alone are audited."""


def audited(simulate):
    """The engine, that now fails where its result cannot be true."""

    @wraps(simulate)
    def simulate_and_audit(system, *, record_served=False, **options):
        small = len(system.runs) + len(system.runs.demand_from_s) <= MOST_ROWS
        result = simulate(system, record_served=record_served or small, **options)
        findings = audit(system, result)
        assert not findings, findings
        return result if record_served else replace(result, served=None)

    return simulate_and_audit


reference.simulate = audited(reference.simulate)
if importlib.util.find_spec("capacity.simulation.fast") is not None:
    fast = importlib.import_module("capacity.simulation.fast")
    fast.simulate = audited(fast.simulate)
