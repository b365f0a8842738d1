"""Availability in each replication of a week or night, as a measure of the study."""

from __future__ import annotations

import numpy as np

from capacity.records import Floats
from layout.folder import FolderContents

from .availability import outages, services
from .columns import SimulationInput
from .measures import Groups, Quantity
from .records import Relocation, SimulationResult
from .week import Week


class Availability:
    """Share of the systems' own service hours within the simulated span that VMs were up for, all and by tenant.

    Systems without service hours in the span (an office at night) do not count; where none counts, the share is 1.
    Restarts alone make a system unavailable; load that is not served is `online_unserved`.
    """

    def __init__(self, folder: FolderContents, week: Week) -> None:
        self._services = services(folder, week.start, 0.0, week.length_s)
        self._service_s = np.array([service.time.total_s for service in self._services])
        self._tenants = Groups.of([service.tenant for service in self._services])
        self.quantities: tuple[Quantity, ...] = (
            Quantity("availability"),
            *(Quantity("availability", "tenant", tenant) for tenant in self._tenants.ids),
        )

    def __call__(self, system: SimulationInput, result: SimulationResult, replication: int) -> Floats:
        """In the order of `quantities`."""
        down_s = outages(self._services, relocations_of(system)).down_s
        lost_s, service_s = self._tenants.mean(down_s), self._tenants.mean(self._service_s)
        shares = np.divide(lost_s, service_s, out=np.zeros(len(lost_s)), where=service_s > 0)
        whole_s = float(self._service_s.sum())
        lost = float(down_s.sum()) / whole_s if whole_s > 0 else 0.0
        return np.concatenate(([1.0 - lost], 1.0 - shares))


def relocations_of(system: SimulationInput) -> list[Relocation]:
    """The restarts of a system as rows."""
    changes = system.changes
    return [
        Relocation(
            vm=int(changes.move_vm[row]),
            at_s=float(changes.move_at_s[row]),
            until_s=float(changes.move_until_s[row]),
            to_host=int(changes.move_to_host[row]),
            keeps_work=False,
        )
        for row in np.flatnonzero(~changes.move_keeps_work)
    ]
