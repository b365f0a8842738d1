"""Every simulation of the suite is audited: importing this wraps the entry of each engine before tests bind it."""

from dataclasses import replace
from functools import wraps

from capacity.simulation import reference
from capacity.simulation.audit import audit
from capacity.simulation.fast import Prepared

MOST_ROWS = 50_000
"""Runs and demand steps up to which recording all service is affordable; above, the times alone are audited."""


def audited(system, simulate, *, record_served):
    """What the engine answers; fails where that cannot be true."""
    small = len(system.runs) + len(system.runs.demand_from_s) <= MOST_ROWS
    result = simulate(record_served=record_served or small)
    findings = audit(system, result)
    assert not findings, findings
    return result if record_served else replace(result, served=None)


def audit_reference():
    """Wrap the reference engine."""
    simulate = reference.simulate

    @wraps(simulate)
    def simulate_and_audit(system, *, record_served=False):
        return audited(
            system, lambda record_served: simulate(system, record_served=record_served), record_served=record_served
        )

    reference.simulate = simulate_and_audit


def audit_fast():
    """Wrap the compiled engine, one run of a prepared system after the other."""
    prepare, run = Prepared.__init__, Prepared.run

    @wraps(prepare)
    def prepare_and_remember(self, system):
        prepare(self, system)
        self.audited_system = system

    @wraps(run)
    def run_and_audit(self, *, record_served=False, **columns):
        given = {name: column for name, column in columns.items() if column is not None}
        return audited(
            self.audited_system.with_runs(**given),
            lambda record_served: run(self, record_served=record_served, **given),
            record_served=record_served,
        )

    Prepared.__init__, Prepared.run = prepare_and_remember, run_and_audit


audit_reference()
audit_fast()
