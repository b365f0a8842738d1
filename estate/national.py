"""The estate of all 1,741 municipalities, written from the municipality list and the standard catalogue.

One primary site per prefecture, one backup site, as many hosts as the VMs need by the rule below, every municipality
with all systems of the catalogue. What the list does not say is assumed, and the file says so.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from .catalogue_reader import STANDARD, read_catalogue
from .catalogue_records import Catalogue, System
from .fit_checks import longest_span
from .romaji import romaji
from .sizing import class_of

RESIDENTS_PER_JAPANESE = 1.03
"""Foreign residents included; the list counts Japanese residents (municipalities.md)."""
VCPU_OVERCOMMIT = 1.6
HOST_CORES, HOST_MEMORY_GIB, HOST_DISK_GIB = 32, 512, 15360
PACKING_MARGIN = 1.03
"""First-fit leaves a few percent of the hosts unused."""
WINDOW_SHARE = 0.9
"""Large jobs are spread over so many cores that they take at most this share of what their window allows."""
BACKUP_HOSTS = 60

PREFECTURES = (
    "hokkaido", "aomori", "iwate", "miyagi", "akita", "yamagata", "fukushima", "ibaraki", "tochigi", "gunma",
    "saitama", "chiba", "tokyo", "kanagawa", "niigata", "toyama", "ishikawa", "fukui", "yamanashi", "nagano", "gifu",
    "shizuoka", "aichi", "mie", "shiga", "kyoto", "osaka", "hyogo", "nara", "wakayama", "tottori", "shimane",
    "okayama", "hiroshima", "yamaguchi", "tokushima", "kagawa", "ehime", "kochi", "fukuoka", "saga", "nagasaki",
    "kumamoto", "oita", "miyazaki", "kagoshima", "okinawa",
)  # fmt: skip
"""By the first two digits of the local-government code, from 01."""
_SUFFIXES = ("ちょう", "まち", "むら", "そん", "し", "く")


@dataclass(frozen=True)
class _Municipality:
    code: str
    prefecture: str
    name: str
    japanese: int
    latitude: float
    longitude: float
    id: str

    @property
    def site(self) -> str:
        return PREFECTURES[int(self.code[:2]) - 1]

    @property
    def population(self) -> int:
        return max(1, round(self.japanese * RESIDENTS_PER_JAPANESE))


@dataclass(frozen=True)
class _Need:
    """What the VMs of one or several municipalities take."""

    vcpu: int = 0
    memory_gib: float = 0.0
    disk_gib: float = 0.0

    def __add__(self, other: _Need) -> _Need:
        return _Need(self.vcpu + other.vcpu, self.memory_gib + other.memory_gib, self.disk_gib + other.disk_gib)

    def hosts(self) -> int:
        """Hosts for it: the scarcest of vCPU, memory and disk with the margin, one for the rest and one in reserve."""
        filled = max(
            self.vcpu / (HOST_CORES * VCPU_OVERCOMMIT),
            self.memory_gib / HOST_MEMORY_GIB,
            self.disk_gib / HOST_DISK_GIB,
        )
        return ceil(filled * PACKING_MARGIN) + 2


def estate_text(tenants: int | None = None) -> str:
    """The estate file; the same bytes every time.

    `tenants` keeps only so many municipalities, spread evenly over the list (for measurements of growth).
    """
    document = read_catalogue(STANDARD)
    if document.record is None:
        raise ValueError(f"the standard catalogue is broken: {document.problems}")
    catalogue = document.record
    chosen = list(_municipalities())
    if tenants is not None:
        chosen = [chosen[number * len(chosen) // tenants] for number in range(tenants)]
    systems = {name: system for name, system in catalogue.systems.items() if not system.shared_only}
    loads = _loads(systems, catalogue)
    needs: dict[str, _Need] = {}
    entries: list[str] = []
    for number, municipality in enumerate(chosen):
        class_id = class_of(municipality.population, catalogue.classes)
        wider = _wider(municipality.population, loads, systems, class_id)
        need = _need(class_id, systems, catalogue, wider)
        needs[municipality.site] = needs.get(municipality.site, _Need()) + need
        entries += _tenant(municipality, wider, first=number == 0)
    hosts = {site: need.hosts() for site, need in needs.items()}
    centres = {municipality.site: municipality for municipality in reversed(chosen)}
    lines = [
        *_head(len(chosen), len(systems), sum(hosts.values()) + BACKUP_HOSTS),
        "sites:",
        *(_site(centres[site]) for site in needs),
        "  - {id: nemuro, role: backup, name: 根室バックアップセンター, latitude: 43.33, longitude: 145.58}",
        "",
        "hosts:",
        *(_row(site, count) for site, count in hosts.items()),
        _row("nemuro", BACKUP_HOSTS),
        "",
        "tenants:",
        *entries,
        "",
        "policy:",
        "  spare_hosts: 1                 # 拠点ごとに空けておくホスト",
        f"  vcpu_overcommit: {VCPU_OVERCOMMIT}           # 仮定。台数の決め手",
        "  memory_overcommit: 1.0",
    ]
    return "\n".join(lines) + "\n"


def _municipalities() -> Iterator[_Municipality]:
    with (STANDARD / "municipalities.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [_plain_id(row["kana"]) for row in rows]
    nationwide = Counter(names)
    in_prefecture = Counter((row["code"][:2], name) for row, name in zip(rows, names, strict=True))
    for row, name in zip(rows, names, strict=True):
        identity = name
        if nationwide[name] > 1:
            again = in_prefecture[row["code"][:2], name] > 1
            identity += f"-{row['code'][:5] if again else PREFECTURES[int(row['code'][:2]) - 1]}"
        yield _Municipality(
            code=row["code"],
            prefecture=row["prefecture"],
            name=row["name"],
            japanese=int(row["population"]),
            latitude=float(row["lat"]),
            longitude=float(row["lng"]),
            id=identity,
        )


def _plain_id(kana: str) -> str:
    for suffix in _SUFFIXES:
        if kana.endswith(suffix) and kana != suffix:
            return f"{romaji(kana.removesuffix(suffix))}-{romaji(suffix)}"
    return romaji(kana)


_Wider = dict[str, tuple[dict[str, int], dict[str, int]]]
"""Per system: cores per job, and vCPU per role, above the catalogue's."""


@dataclass(frozen=True)
class _Load:
    """A job of the catalogue: core-seconds per resident, and the seconds that its work may take."""

    system: str
    job: str
    role: str
    cpu_s_per_resident: float
    allowed_s: float
    max_cores: float


def _loads(systems: dict[str, System], catalogue: Catalogue) -> tuple[_Load, ...]:
    """Every job with at most `WINDOW_SHARE` of its window's longest opening on business days, room for a rerun kept."""
    spans = {name: longest_span(window, business_only=True) * 60.0 for name, window in catalogue.windows.items()}
    return tuple(
        _Load(
            system=system_id,
            job=job_id,
            role=job.role,
            cpu_s_per_resident=job.work.cpu_s_per_unit * catalogue.units[job.work.unit].per_resident,
            allowed_s=spans[job.window or system.window] / (2 if job.rerun_room else 1) * WINDOW_SHARE
            - job.work.fixed_s,
            max_cores=job.work.max_cores,
        )
        for system_id, system in systems.items()
        for job_id, job in system.jobs.items()
    )


def _wider(population: int, loads: tuple[_Load, ...], systems: dict[str, System], class_id: str) -> _Wider:
    """The jobs that would not end in their window with room for a rerun, and the cores that make them fit."""
    found: _Wider = {}
    for load in loads:
        cores = ceil(load.cpu_s_per_resident * population / load.allowed_s)
        if cores <= 1:
            continue
        vcpu = systems[load.system].roles[load.role].size.vcpu[class_id]
        if cores > min(load.max_cores, vcpu):
            jobs, roles = found.setdefault(load.system, ({}, {}))
            jobs[load.job] = cores
            if cores > vcpu:
                roles[load.role] = max(cores, roles.get(load.role, 0))
    return found


def _need(class_id: str, systems: dict[str, System], catalogue: Catalogue, wider: _Wider) -> _Need:
    need = _Need()
    for system_id, system in systems.items():
        _, vcpu = wider.get(system_id, ({}, {}))
        for role_id, role in system.roles.items():
            size, replicas = role.size, role.size.replicas.get(class_id, 1)
            need += _Need(
                vcpu.get(role_id, size.vcpu[class_id]) * replicas,
                size.memory_gib[class_id] * replicas,
                (size.disk_gib[class_id] + catalogue.system_disk_gib) * replicas,
            )
    return need


def _head(tenants: int, systems: int, hosts: int) -> list[str]:
    text = f"""\
# 全国の例：{tenants:,} 市区町村 × {systems} 業務システム、{hosts:,} ホスト。
#
# 出典のあるもの：団体コード、名称、人口、役場の座標
#   （標準カタログの municipalities.csv と municipalities.md）。
# 仮定したもの（すべて仮定値。自分の数に置き換えてください）：
#   人口      2025年1月1日の日本人住民 × {RESIDENTS_PER_JAPANESE}（外国人住民を含める近似）
#   業務      どの団体も標準カタログの業務をすべて使う
#   拠点      都道府県に一つの地域センター。座標は団体コードが最も若い市区町村の役場
#   控え      根室に一つ。どの地域センターからも 300 km 以上離れている
#   ホスト    2ソケット×16コア、メモリ {HOST_MEMORY_GIB} GiB、ディスク {HOST_DISK_GIB:,} GiB。
#             拠点の台数 = 切り上げ（{PACKING_MARGIN} × 次の三つの最大値）+ 2（端数に 1 台、予備に 1 台）
#               vCPU の合計 ÷（{HOST_CORES} コア × {VCPU_OVERCOMMIT}）、メモリの合計 ÷ {HOST_MEMORY_GIB} GiB、
#               ディスクの合計 ÷ {HOST_DISK_GIB:,} GiB
#             控えの拠点は {BACKUP_HOSTS} 台
#   大きな市  標準の並列数ではバッチ枠（再実行の余地を含む）に入らない処理を、枠の 9 割に収まるコア数に
#             広げた（overrides の max_cores と vcpu）
#   共用      共用システムは置かない。一つの仮想サーバで全国の夜間処理を引き受けることはできず、
#             同じ共用システムは一つしか書けないため。証明書は各業務システムから直接交付するので、夜間枠は短い
#
# 確かめる：       kumiai check estate.yaml
# 全国を模擬する： kumiai simulate estate.yaml -o out
format: 1
name: 全国市区町村クラウド（例）
fiscal_year: 2027                # 2027-04-01 から 2028-03-31 まで
horizon: {{lead_in_months: 0}}     # 年度のちょうど一年
catalogue: standard
"""
    return text.split("\n")


def _site(centre: _Municipality) -> str:
    place = f"latitude: {centre.latitude}, longitude: {centre.longitude}"
    return f"  - {{id: {centre.site}, role: primary, name: {centre.prefecture}地域センター, {place}}}"


def _row(site: str, count: int) -> str:
    width = len(str(count))
    ids = f"{site}-{{{'1'.zfill(width)}..{count}}}"
    sizes = f"memory_gib: {HOST_MEMORY_GIB}, disk_gib: {HOST_DISK_GIB}"
    return f'  - {{id: "{ids}", site: {site}, model: xeon-2x16, {sizes}, uri: "qemu+ssh://ops@{{id}}/system"}}'


def _tenant(municipality: _Municipality, wider: _Wider, *, first: bool) -> Iterator[str]:
    basis, systems = "*population", "*all"
    if first:
        text = f"住民基本台帳 2025-01-01 日本人住民 × {RESIDENTS_PER_JAPANESE}（外国人住民を含める近似、仮定）"
        basis = f"&population {text}"
        systems = "&all {confidence: low, source: 標準カタログの業務をすべて使うと仮定した}"
    yield (
        f'  - {{id: {municipality.id}, code: "{municipality.code}", name: {municipality.name}, '
        f"population: {municipality.population}, population_basis: {basis}, site: {municipality.site}, "
        f"systems: {systems}{'' if wider else '}'}" + ("," if wider else "")
    )
    if not wider:
        return
    yield "     overrides: {"
    for system, (jobs, roles) in wider.items():
        parts = []
        if roles:
            inside = ", ".join(f"{role}: {{vcpu: {vcpu}}}" for role, vcpu in roles.items())
            parts.append(f"roles: {{{inside}}}")
        inside = ", ".join(f"{job}: {{max_cores: {cores}}}" for job, cores in jobs.items())
        parts.append(f"jobs: {{{inside}}}")
        yield f"       {system}: {{{', '.join(parts)}}},"
    yield "     }}"
