"""Before the first stack is built: what a person wants kept or removed is, and preflight finds nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from infra import admission
from infra.admission import BaseImage
from infra.deployment.stacks import Work
from infra.inspection import image_bytes, orphans, preflight, standing
from infra.observing import observation
from infra.observing.observed import HostObservation, Unreachable
from infra.recovery import recovery
from infra.refusal import RefusalError, some
from infra.settings import Settings

DEADLINE_S = 120.0
"""For one host. It answers for hundreds of VMs here, and those that do not answer at all are known already."""


def require_ready(
    work: Work,
    names: Sequence[str],
    chosen: Settings,
    images: Mapping[str, BaseImage],
    *,
    adopt: Collection[str] = (),
    remove: Collection[str] = (),
    after: str = "",
) -> None:
    """Keeps and removes what the engineer named, then looks at all that must hold.

    Raises RefusalError, and WaitingError where `after` a VM's runbook others are all that is missing.

    `names` are the stacks to be built. All hosts of the plan are asked, because a VM may be where it should not be.
    """
    vms = {vm.id: vm for vm in work.layout.vms}
    unknown = sorted(set(adopt) - set(vms))
    if unknown:
        raise RefusalError(f"--adopt「{some(unknown)}」：この計画にない仮想サーバです")
    known = standing.read(names, work.running.project, work.running.environment)
    seen = _look(work)
    anew = [vm for vm in adopt if orphans.adopt(work.of(vms[vm].tenant).ground, vms[vm], seen, known)]
    for name in remove:
        # Whether any record has it: those of all stacks count, also of such as are not built now.
        everywhere = standing.read(_all_stacks(work), work.running.project, work.running.environment)
        orphans.remove(work.ground, name, seen, everywhere)
    if adopt or remove:
        known, seen = standing.read(names, work.running.project, work.running.environment), _look(work)
    ground = preflight.BuildingGround(
        work.layout,
        work.ground.layout_digest,
        names,
        chosen,
        known,
        seen,
        images,
        datetime.now(ZoneInfo("Asia/Tokyo")),
        adopted=anew,
        unfinished=recovery.unfinished(work.ground.state),
    )
    if preflight.check(ground).problems and _freshened(work, seen):
        # libvirt tells what its pools held when it last looked into them: somebody may have put that right since.
        ground = replace(ground, seen=_look(work))
    notes = preflight.require(replace(ground, contents=_contents(work, ground)), after)
    for note in notes:
        work.progress(note)


def _contents(work: Work, ground: preflight.BuildingGround) -> dict[image_bytes.Copy, str]:
    """What the base images of our records hold on the hosts; those that an unfinished run left are not ours yet."""
    recorded = ground.standing.volumes()
    there = image_bytes.copies(ground.layout, ground.hosts(), ground.seen)
    ours = [each for each in there if (each.host, each.pool, each.volume.name) in recorded]
    memory = image_bytes.Memory(work.ground.state / image_bytes.MEMORY_FILE)
    return image_bytes.digests(ours, work.ground.hosts, memory, work.progress)


def _all_stacks(work: Work) -> tuple[str, ...]:
    return admission.stack_names(work.layout)


def _freshened(work: Work, seen: Mapping[str, HostObservation | Unreachable]) -> bool:
    """Lets libvirt look again into its active pools; whether there were any."""
    found = False
    for host, there in seen.items():
        active = [pool.name for pool in there.pools if pool.active] if isinstance(there, HostObservation) else []
        if active:
            work.ground.hosts.ask(host, [f"pool-refresh {name}" for name in active])
            found = True
    return found


def _look(work: Work) -> dict[str, HostObservation | Unreachable]:
    reasons = work.down.reasons
    asked = {host: uri for host, uri in work.ground.uris.items() if host not in reasons}
    seen = observation.observe_all(asked, deadline_s=DEADLINE_S)
    return {**seen, **{host: Unreachable(host, reason) for host, reason in reasons.items()}}
