"""The four ledgers (台帳) of Japanese software asset management, filled with what a plan and its count know.

What only the buyer knows (serial numbers, certificates, storage places, …) is None here and left open in the formats.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date

from layout.folder import PlanFolder
from layout.licence_records import LicenceResult, ProductResult
from layout.records import Product

from .evidence import of_rule

_VENDORS = {
    "oracle": "Oracle",
    "microsoft": "Microsoft",
    "ibm": "IBM",
    "redhat": "Red Hat",
    "vmware": "Broadcom（VMware）",
    "suse": "SUSE",
    "ubuntu": "Canonical",
    "edb": "EnterpriseDB",
    "fujitsu": "富士通",
    "hitachi": "日立製作所",
    "nec": "日本電気",
    "intra": "NTTデータ イントラマート",
    "x": "フレックスファーム",
    "intersystems": "InterSystems",
    "sraoss": "SRA OSS",
}
"""By the first word of a rule's id, as people in Japan write them; others are named as their rule says."""
_EDITIONS = (
    ("enterprise", "Enterprise"),
    ("standard-2", "Standard Edition 2"),
    ("standard", "Standard"),
    ("datacenter", "Datacenter"),
)


@dataclass(frozen=True)
class HardwareLine:
    """One physical host."""

    host: str
    site: str
    model: str
    use: str
    sockets: int
    socket_capacity: int
    cores_per_socket: int
    cores: int
    threads_per_core: int
    memory_gib: float
    disk_gib: float
    core_factors: str
    vms: int


@dataclass(frozen=True)
class InstalledProduct:
    """A product whose licences are counted."""

    rule: str
    name: str
    options: str
    vendor: str | None
    edition: str | None
    evidence: str | None
    """The mark as pages print it; None where nothing was counted yet."""


@dataclass(frozen=True)
class InstalledLine:
    """One product on one VM or host; a VM that has no counted product has one line without one."""

    vm: str | None
    host: str
    tenant: str
    system: str
    role: str
    vcpu: int | None
    vcpu_max: int | None
    image: str
    reach: int
    """Hosts it may run on."""
    product: InstalledProduct | None


@dataclass(frozen=True)
class LicenceLine:
    """Licences that are needed (必要) or held (保有)."""

    state: str
    rule: str
    vendor: str | None
    product: str
    edition: str | None
    options: str
    metric: str
    """Licence type: what one licence counts."""
    form: str
    """Single licences or packs."""
    terms: str
    quantity: float
    packs: int | None
    unit: str
    owner: str
    """Who holds or needs it: all, or the tenants named."""
    valid_from: date | None
    valid_until: date | None
    evidence: str | None
    source: str


@dataclass(frozen=True)
class MediaLine:
    """A part that belongs to a licence: certificate, key, medium."""

    kind: str
    rule: str
    vendor: str | None
    product: str
    belongs_to: str


@dataclass(frozen=True)
class Ledgers:
    """The four ledgers."""

    hardware: tuple[HardwareLine, ...]
    installed: tuple[InstalledLine, ...]
    licences: tuple[LicenceLine, ...]
    media: tuple[MediaLine, ...]


def ledgers(plan: PlanFolder, licences: LicenceResult | None) -> Ledgers:
    """The ledgers of a plan; without a saved count the licence ledger holds only what is held."""
    lines = _licences(plan, licences)
    return Ledgers(_hardware(plan), _installed(plan, licences), lines, _media(lines))


def written(options: dict[str, bool | int | float | str]) -> str:
    """Options of a rule in one line."""
    return "、".join(f"{key}={_value(value)}" for key, value in options.items())


def _value(value: bool | int | float | str) -> str:
    return ("はい" if value else "いいえ") if isinstance(value, bool) else str(value)


def vendor(rule: str) -> str | None:
    """The vendor by a rule's id; None where the id does not say."""
    return _VENDORS.get(rule.partition(".")[0].partition("-")[0])


def edition(rule: str, options: dict[str, bool | int | float | str]) -> str | None:
    """The edition by option or rule id; None where neither says."""
    stated = options.get("edition")
    if isinstance(stated, str):
        return stated.capitalize()
    return next((name for key, name in _EDITIONS if key in rule), None)


def _hardware(plan: PlanFolder) -> tuple[HardwareLine, ...]:
    names = {site.id: site.name or site.id for site in plan.estate.sites}
    vms = Counter(vm.host for vm in plan.layout.vms)
    return tuple(
        HardwareLine(
            host=host.id,
            site=names.get(host.site, host.site),
            model=host.model,
            use="予備" if host.spare else "使用" if vms[host.id] else "空き",
            sockets=host.sockets,
            socket_capacity=host.socket_capacity,
            cores_per_socket=host.cores_per_socket,
            cores=host.cores,
            threads_per_core=host.threads_per_core,
            memory_gib=host.memory_mib / 1024,
            disk_gib=host.disk_gib,
            core_factors="、".join(f"{key} {factor:g}" for key, factor in sorted(host.core_factors.items())),
            vms=vms[host.id],
        )
        for host in plan.layout.hosts
    )


def _installed(plan: PlanFolder, licences: LicenceResult | None) -> tuple[InstalledLine, ...]:
    tenants = {tenant.id: tenant.name for tenant in plan.estate.tenants}
    systems = {(system.tenant, system.id): system.name for system in plan.estate.systems}
    sizes = {host_set.id: len(host_set.hosts) for host_set in plan.layout.host_sets}
    counted = {product.rule: product for product in (licences.products if licences is not None else ())}
    lines = [
        InstalledLine(
            vm=vm.id, host=vm.host, tenant=tenants.get(vm.tenant, vm.tenant),
            system=systems.get((vm.tenant, vm.system), vm.system), role=vm.role, vcpu=vm.vcpu, vcpu_max=vm.vcpu_max,
            image=vm.image, reach=sizes.get(vm.may_run_on, 0), product=_product(product, counted),
        )
        for vm in plan.layout.vms for product in (vm.products or (None,))
    ]  # fmt: skip
    lines += [
        InstalledLine(
            vm=None, host=host.id, tenant="", system="", role="ホスト", vcpu=None, vcpu_max=None, image="", reach=1,
            product=_product(product, counted),
        )
        for host in plan.layout.hosts for product in host.products
    ]  # fmt: skip
    return tuple(lines)


def _product(product: Product | None, counted: dict[str, ProductResult]) -> InstalledProduct | None:
    if product is None:
        return None
    result = counted.get(product.rule)
    return InstalledProduct(
        rule=product.rule,
        name=result.name if result is not None else product.rule,
        options=written(product.options),
        vendor=vendor(product.rule) or (result.vendor if result is not None else None),
        edition=edition(product.rule, product.options),
        evidence=of_rule(result.evidence, result.unverified) if result is not None else None,
    )


def _licences(plan: PlanFolder, licences: LicenceResult | None) -> tuple[LicenceLine, ...]:
    products = licences.products if licences is not None else ()
    names = {product.rule: product for product in products}
    lines = [
        LicenceLine(
            state="必要", rule=product.rule, vendor=vendor(product.rule) or product.vendor, product=product.name,
            edition=edition(product.rule, product.options), options=written(product.options),
            metric=f"{product.unit}単位", form=_form(product), terms=product.because,
            quantity=float(product.quantity), packs=product.packs, unit=product.unit, owner="全団体",
            valid_from=None, valid_until=None, evidence=of_rule(product.evidence, product.unverified),
            source=product.source,
        )
        for product in products
    ]  # fmt: skip
    tenants = {tenant.id: tenant.name for tenant in plan.estate.tenants}
    for held in plan.estate.entitlements:
        result = names.get(held.rule)
        lines.append(
            LicenceLine(
                state="保有", rule=held.rule,
                vendor=vendor(held.rule) or (result.vendor if result is not None else None),
                product=result.name if result is not None else held.rule, edition=edition(held.rule, {}), options="",
                metric="" if result is None else f"{result.unit}単位",
                form="" if result is None else _form(result),
                terms="ホスト間を自由に移せる" if held.mobility else "ホスト間を自由には移せない",
                quantity=float(held.quantity), packs=None, unit="" if result is None else result.unit,
                owner="、".join(tenants.get(each, each) for each in held.tenants) or "全団体",
                valid_from=held.from_, valid_until=held.until,
                evidence=of_rule(result.evidence, result.unverified) if result is not None else None,
                source=held.source,
            )
        )  # fmt: skip
    return tuple(lines)


def _form(product: ProductResult) -> str:
    """How the licences are sold: in packs, in classes by size, or one by one."""
    if product.grades:
        return "、".join(f"{grade.grade} × {grade.quantity:g}" for grade in product.grades)
    return product.pack or "1 単位ずつ"


def _media(licences: tuple[LicenceLine, ...]) -> tuple[MediaLine, ...]:
    """Every licence comes with a certificate, a key and a medium to keep."""
    return tuple(
        MediaLine(kind, line.rule, line.vendor, line.product, f"ライセンス台帳 {number}（{line.state}）")
        for number, line in enumerate(licences, 1)
        for kind in ("ライセンス証書・契約書", "ライセンスキー", "導入媒体")
    )
