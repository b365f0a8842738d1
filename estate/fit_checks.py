"""What is well-formed but can never fit, found before planning: exit code 3."""

from __future__ import annotations

from collections.abc import Iterable

from .base_records import Window
from .case import Case
from .kinds import fits, most_vcpu
from .places import Step
from .problems import shown
from .resolved import ResolvedEstate, ResolvedHost, ResolvedJob, ResolvedVm

_DAY_MINUTES = 24 * 60
_LONGEST_VM_ID = 63


def check_hosts(case: Case) -> None:
    """Report an estate without any host."""
    if not case.file.hosts:
        case.estate.report(["hosts"], "ホストが一台もありません。仮想サーバを置くホストを書いてください", 3)


def check(case: Case, estate: ResolvedEstate) -> None:
    """Report dates without their base, sites without hosts or reserve, and VMs and jobs that are too large."""
    _relative_dates(case, estate)
    _sites(case, estate)
    _vms(case, estate)
    _jobs(case, estate)


def _relative_dates(case: Case, estate: ResolvedEstate) -> None:
    """A date that is relative to a job which this tenant does not run: malformed, since it has no date at all."""
    there = {(job.tenant, job.system, job.job) for job in estate.jobs}
    for job in estate.jobs:
        for rule in (job.when, job.latest):
            name = rule.relative_to if rule is not None else None
            if name is None or name in estate.events:
                continue
            system, target = name.split("/", 1) if "/" in name else (job.system, name)
            if (job.tenant, system, target) not in there:
                path = _override(case, job.tenant, job.system, "jobs", job.job)
                message = f"ジョブ{shown(f'{job.system}/{job.job}')}の日付の元{shown(f'{system}/{target}')}が"
                message += "この団体では動きません。overrides の jobs に when を書くか、元のジョブを使ってください"
                case.estate.report(path, message)


def _sites(case: Case, estate: ResolvedEstate) -> None:
    used: dict[str, str] = {}
    for vm in estate.vms:
        used.setdefault(vm.site, vm.tenant)
    for site, tenant in used.items():
        hosts = [host for host in estate.hosts if host.site == site and not host.spare]
        needed = estate.policy.spare_hosts
        if not hosts:
            message = f"拠点{shown(site)}に使えるホストがありません。hosts に書いてください"
            case.estate.report(_site_path(case, site, tenant), message, 3)
        elif needed >= len(hosts):
            message = f"予備 {needed} 台を空けると、拠点{shown(site)}の {len(hosts)} 台に仮想サーバを置けません"
            path: list[Step] = ["policy", "spare_hosts"]
            case.estate.report(path, f"{message}。ホストを増やすか spare_hosts を減らしてください", 3)


def _site_path(case: Case, site: str, tenant: str) -> list[Step]:
    for index, item in enumerate(case.file.sites):
        if item.id == site:
            return ["sites", index]
    return _owner(case, tenant)


def _owner(case: Case, tenant: str, system: str = "") -> list[Step]:
    """Where a tenant, or the shared system of `common`, stands in the estate file."""
    if tenant in case.tenant_index:
        return ["tenants", case.tenant_index[tenant]]
    if system in case.shared_index:
        return ["shared", case.shared_index[system]]
    return ["tenants"]


def _override(case: Case, tenant: str, system: str, kind: str, name: str) -> list[Step]:
    """The override that sets a role's or job's numbers where there is one, else the tenant itself."""
    owner = _owner(case, tenant, system)
    if owner[0] == "tenants" and len(owner) == 2:
        override = case.file.tenants[int(owner[1])].overrides.get(system)
        path = [*owner, "overrides", system]
    elif owner[0] == "shared":
        override = case.file.shared[int(owner[1])].overrides
        path = [*owner, "overrides"]
    else:
        return owner
    if override is None:
        return owner
    if name in getattr(override, kind):
        return [*path, kind, name]
    if kind == "roles":
        for index, busy in enumerate(override.vcpu_busy):
            if busy.role == name:
                return [*path, "vcpu_busy", index]
    return owner


def _vms(case: Case, estate: ResolvedEstate) -> None:
    hosts: dict[str, dict[tuple[float, float, int], ResolvedHost]] = {}  # one of each size is enough
    for host in estate.hosts:
        if not host.spare:
            hosts.setdefault(host.site, {})[host.memory_gib, host.disk_gib, host.cores] = host
    seen: set[tuple[str, str, str]] = set()
    names: set[str] = set()
    networks: dict[str, tuple[str, str, str]] = {}
    for vm in estate.vms:
        place = (vm.tenant, vm.segment, vm.site)
        if networks.setdefault("-".join(place), place) != place:
            message = f"ネットワークの名前{shown('-'.join(place))}がほかの団体か拠点のものと同じになります"
            path = [*_owner(case, vm.tenant, vm.system), "id"]
            case.estate.report(path, f"{message}。団体か拠点の id を変えてください")
        if vm.id in names:
            message = f"仮想サーバの名前{shown(vm.id)}がほかの団体の業務システムのものと同じになります"
            path = [*_owner(case, vm.tenant, vm.system), "id"]
            case.estate.report(path, f"{message}。団体か業務システムの id を変えてください")
        names.add(vm.id)
        if len(vm.id) > _LONGEST_VM_ID:
            message = (
                f"仮想サーバの名前が {_LONGEST_VM_ID} 字を超えます（{shown(vm.id)}）。団体の id を短くしてください"
            )
            case.estate.report([*_owner(case, vm.tenant, vm.system), "id"], message)
        there = hosts.get(vm.site, {}).values()
        if (vm.tenant, vm.system, vm.role) in seen or not there:
            continue
        seen.add((vm.tenant, vm.system, vm.role))
        if any(fits(vm, host, estate.policy) for host in there):
            continue
        path = _override(case, vm.tenant, vm.system, "roles", vm.role)
        message = f"仮想サーバ{shown(vm.id)}はどのホストよりも大きい（{_excess(vm, there, estate)}）"
        case.estate.report(path, f"{message}。大きさを減らすか、大きいホストを加えてください", 3)


def _excess(vm: ResolvedVm, hosts: Iterable[ResolvedHost], estate: ResolvedEstate) -> str:
    """What of the VM exceeds the largest host; all three sizes where no single one does."""
    policy = estate.policy
    there = list(hosts)
    sizes = (
        ("メモリ", vm.memory_gib, max(h.memory_gib for h in there) * policy.memory_overcommit, "GiB"),
        ("ディスク", sum(disk.size_gib for disk in vm.disks), max(h.disk_gib for h in there), "GiB"),
        ("vCPU", most_vcpu(vm), max(h.cores for h in there) * policy.vcpu_overcommit, "個"),
    )
    over = [size for size in sizes if size[1] > size[2]] or list(sizes)
    return "、".join(f"{name} {need:,g} {unit}、最大のホストは {most:,g} {unit}" for name, need, most, unit in over)


def _jobs(case: Case, estate: ResolvedEstate) -> None:
    vms = {vm.id: vm for vm in estate.vms}
    longest_of: dict[tuple[int, bool], int] = {}
    for job in estate.jobs:
        key = (id(job.window), _on_business_days_only(job))
        if key not in longest_of:
            longest_of[key] = longest_span(job.window, business_only=key[1])
        longest = longest_of[key] * 60
        needed = duration_s(job, vms[job.vm])
        with_rerun = needed * 2 if job.rerun_room else needed
        if with_rerun <= longest:
            continue
        name = f"{job.system}/{job.job}"
        path = _override(case, job.tenant, job.system, "jobs", job.job)
        if not longest:
            case.estate.report(path, f"ジョブ{shown(name)}のバッチ枠がどの日にも開きません。枠を直してください", 3)
            continue
        rerun = "、再実行の余地を含む" if job.rerun_room else ""
        sizes = f"必要 {_hours(with_rerun)}{rerun}、枠は最長 {_hours(longest)}"
        message = f"ジョブ{shown(name)}はバッチ枠に入りません（{sizes}）"
        remedy = (
            "枠を延ばすか、rerun_room: false にしてください"
            if needed <= longest
            else "枠を延ばすか作業を減らしてください"
        )
        case.estate.report(path, f"{message}。{remedy}", 3)


def duration_s(job: ResolvedJob, vm: ResolvedVm) -> float:
    """Shortest planned length of a run of the job in seconds, on the most vCPU its VM ever has."""
    return job.fixed_s + job.cpu_s / min(job.max_cores, most_vcpu(vm))


def _on_business_days_only(job: ResolvedJob) -> bool:
    """Whether the rule of a job with one night surely gives business days."""
    rule = job.when
    counted = rule.offset.endswith("business_days") and rule.offset.split()[0].strip("+-0") != ""
    return job.nights == 1 and (rule.only == "business_day" or rule.shift != "none" or counted)


def longest_span(window: Window, *, business_only: bool) -> int:
    """Minutes of the window's longest opening on any kind of day, or on business days only."""
    spans = [window.business_day, window.month_end]
    if not business_only:
        spans += [window.closed_day, window.year_end]
    return max((_minutes(span) for span in (*spans, *(e.span for e in window.exceptions)) if span), default=0)


def _minutes(span: str) -> int:
    opens, closes = (int(clock[:2]) * 60 + int(clock[3:]) for clock in span.split("-"))
    return closes - opens if closes > opens else closes - opens + _DAY_MINUTES


def _hours(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes // 60} 時間 {minutes % 60} 分" if minutes >= 60 else f"{minutes} 分"
