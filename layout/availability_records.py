"""`simulation/availability.json`: years of host failures, and what they cost each system of its own service hours."""

from __future__ import annotations

from .records import FORMAT_VERSION, LayoutRecord
from .simulation_records import Proportion


class ServiceAvailability(LayoutRecord):
    """One system of one tenant, or all systems of a tenant, over the simulated years."""

    tenant: str
    system: str
    """Empty: all systems of the tenant."""
    label: str
    service_h: float
    """Service hours of the year; of a tenant the sum over its systems."""
    availability: float
    """Mean share of the service hours of a year that was served."""
    half_width_95: float | None
    """Half the 95 % interval of that mean (Student's t over the years); null for one year."""
    worst_year: float
    """The lowest share of any of the years."""
    target_met: Proportion | None
    """Years that reach the promised availability; null where none is promised."""
    outages_per_year: float
    outages_half_width_95: float | None = None
    """Half the 95 % interval of their mean (Student's t over the years); null for one year."""
    restore_h: float | None
    """Mean elapsed hours until the system served again; null where it never was down. Not for tenants."""
    restore_half_width_95: float | None
    longest_h: float
    """Longest elapsed outage of all years; of a tenant that of any of its systems."""


class AvailabilityResult(LayoutRecord):
    """`simulation/availability.json`."""

    format_version: str = FORMAT_VERSION
    verdict: str
    layout_digest: str
    fiscal_year: int
    years: int
    """Simulated repetitions of the fiscal year."""
    seed: int
    target: float | None
    """Promised availability."""
    restore_limit_h: float | None
    """Promised longest time to restore."""
    host_failures_per_year: float
    """Of all hosts, in the mean of the simulated years."""
    host_failures_half_width_95: float | None = None
    stranded_per_year: float
    """VMs that found no room and waited for the repair of their host."""
    stranded_half_width_95: float | None = None
    tenants: tuple[ServiceAvailability, ...]
    systems: tuple[ServiceAvailability, ...]
    """The least available first."""
