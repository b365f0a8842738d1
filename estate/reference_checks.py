"""Names in the estate file that refer to nothing."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

from .base_records import CENTRE_SEGMENTS
from .case import Case
from .findings import maybe
from .known import unknown
from .places import Step
from .problems import shown
from .records import SystemOverride, Tenant

COMMON = "common"
"""The tenant that holds the shared systems; no municipality may have this id."""


class _References:
    """Reports unknown names of one case; where the catalogue cannot be read, its names are not judged."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.known = case.known
        self.document = case.estate
        catalogue = case.catalogue.record if case.catalogue else None
        systems = catalogue.systems if catalogue else {}
        self.shared_only = {name for name, system in systems.items() if system.shared_only}

    def expect(
        self, kind: str, name: str | None, known: frozenset[str] | Mapping[str, object], path: list[Step]
    ) -> bool:
        """Whether `name` is known; reports it at `path` otherwise: at the key where the name is a key."""
        if name is None or name in known:
            return True
        self.document.report(path, unknown(kind, name, known), key=path[-1] == name)
        return False

    def system(self, name: str | None, path: list[Step]) -> bool:
        if self.case.catalogue is None:
            return False
        return self.expect("業務システム", name, self.known.systems, path)

    def tenants(self, names: Iterable[str], path: list[Step]) -> None:
        allowed = self.known.tenants | {COMMON}
        for index, name in enumerate(names):
            self.expect("団体", name, allowed, [*path, index])

    def systems(self, names: Iterable[str], path: list[Step]) -> None:
        for index, name in enumerate(names):
            self.system(name, [*path, index])

    def override(self, system: str, body: SystemOverride, path: list[Step]) -> None:
        """The inside of an override of a known system."""
        inside = self.known.systems[system]
        self.expect("バッチ枠", body.window, self.known.windows, [*path, "window"])
        for index, busy in enumerate(body.vcpu_busy):
            self.expect(f"{system} の役割", busy.role, inside.roles, [*path, "vcpu_busy", index, "role"])
        for role in body.roles:
            self.expect(f"{system} の役割", role, inside.roles, [*path, "roles", role])
        for name, job in body.jobs.items():
            self.expect(f"{system} のジョブ", name, inside.jobs, [*path, "jobs", name])
            self.expect("バッチ枠", job.window, self.known.windows, [*path, "jobs", name, "window"])


def check(case: Case) -> None:
    """Report every unknown site, host model, tenant, system, role, job and window of the estate file."""
    references = _References(case)
    for index, host in enumerate(case.file.hosts):
        references.expect("拠点", host.site, case.known.sites, ["hosts", index, "site"])
        if case.catalogue is not None:
            references.expect("ホストの機種", host.model, case.known.models, ["hosts", index, "model"])
    for index, tenant in enumerate(case.file.tenants):
        _tenant(references, tenant, ["tenants", index])
    _shared(references)
    _others(references)


def _tenant(references: _References, tenant: Tenant, path: list[Step]) -> None:
    references.expect("拠点", tenant.site, references.known.sites, [*path, "site"])
    references.systems(tenant.systems.only or (), [*path, "systems", "only"])
    for position, name in enumerate(tenant.systems.only or ()):
        if name in references.shared_only:
            message = f"業務システム{shown(name)}は共用だけのものです。ここから消して shared に書いてください"
            references.document.report([*path, "systems", "only", position], message)
    references.systems(tenant.systems.except_, [*path, "systems", "except"])
    used = set(tenant.systems.only) if tenant.systems.only is not None else set(references.known.systems)
    used -= set(tenant.systems.except_)
    for system, body in tenant.overrides.items():
        here: list[Step] = [*path, "overrides", system]
        if not references.system(system, here):
            continue
        if system not in used and used <= set(references.known.systems):
            message = f"この団体は{shown(system)}を使いません。overrides から消すか、systems に加えてください"
            references.document.report(here, message, key=True)
        references.override(system, body, here)


def _shared(references: _References) -> None:
    for index, shared in enumerate(references.case.file.shared):
        path: list[Step] = ["shared", index]
        references.expect("拠点", shared.site, references.known.sites, [*path, "site"])
        if shared.tenants != "all":
            for position, name in enumerate(shared.tenants):
                references.expect("団体", name, references.known.tenants, [*path, "tenants", position])
        if references.system(shared.system, [*path, "system"]) and shared.overrides is not None:
            references.override(shared.system, shared.overrides, [*path, "overrides"])


def _others(references: _References) -> None:
    file, known = references.case.file, references.known
    for index, entitlement in enumerate(file.licences):
        references.tenants(entitlement.tenants, ["licences", index, "tenants"])
        references.systems(entitlement.systems, ["licences", index, "systems"])
    for index, cost in enumerate(file.costs):
        references.tenants(cost.tenants, ["costs", index, "tenants"])
    for index, current in enumerate(file.current_costs):
        references.expect("団体", current.tenant, known.tenants, ["current_costs", index, "tenant"])
    _flows(references)
    for index, measured in enumerate(file.measured):
        references.expect("団体", measured.tenant, known.tenants, ["measured", index, "tenant"])
        if references.system(measured.system, ["measured", index, "system"]):
            jobs = known.systems[measured.system].jobs
            references.expect(f"{measured.system} のジョブ", measured.job, jobs, ["measured", index, "job"])
    if references.case.catalogue is None:
        return
    pairs = {f"{system}/{role}" for system, inside in known.systems.items() for role in inside.roles}
    for index, group in enumerate(file.policy.anti_affinity):
        for position, pair in enumerate(group):
            if pair not in pairs:
                message = (
                    f"anti_affinity の{shown(pair)}がありません。「業務システム/役割」と書きます{maybe(pair, pairs)}"
                )
                references.document.report(["policy", "anti_affinity", index, position], message)


def _flows(references: _References) -> None:
    file, known = references.case.file, references.known
    for index, flow in enumerate(file.flows):
        for side in ("source", "destination"):
            endpoint = getattr(flow, side)
            path: list[Step] = ["flows", index, side]
            references.expect("団体", endpoint.tenant, known.tenants | {COMMON}, [*path, "tenant"])
            references.system(endpoint.system, [*path, "system"])
            if endpoint.address is not None and not is_network(endpoint.address):
                message = f"IP アドレスかネットワークとして読めません{shown(endpoint.address)}。正しい例: 192.0.2.10"
                references.document.report([*path, "address"], message)
            if endpoint.tenant is None and endpoint.address is None:
                # Without a tenant it would mean those of every tenant: too much for a word that was left out.
                references.document.report(path, "団体（tenant）かアドレス（address）を書いてください")
        protected = flow.destination.segment
        if protected in CENTRE_SEGMENTS and flow.source.segment not in CENTRE_SEGMENTS:
            message = (
                f"{protected} は団体からも外部からも開けません。{protected} の側から接続を始める flow にしてください"
            )
            references.document.report(["flows", index, "destination"], message)
        if flow.protocol == "icmp" and flow.port is not None:
            references.document.report(["flows", index, "port"], "icmp にポートはありません。port を消してください")


def is_network(text: str) -> bool:
    """Whether the end of a flow may name this: an address, or a network, without a scope."""
    if "%" in text:  # the scope of an address may hold anything
        return False
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True
