"""Which rules a small folder breaks, found the slow way: every pair looked at, no code of the checkers."""

from __future__ import annotations

import ipaddress
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta, timezone
from itertools import combinations

from layout.folder import PlanFolder
from tests.layout import accounts, builder

JST = timezone(timedelta(hours=9), "JST")
SECOND = timedelta(seconds=1)
MICRO = timedelta(microseconds=1)


def broken(folder: PlanFolder) -> set[str]:
    """Names of the checkers that must refuse the folder (`consistency`, `digest` and `fits` are not judged here)."""
    rows = folder.runs.to_pylist()
    rules = {
        "windows": windows,
        "deadlines": deadlines,
        "precedence": precedence,
        "slots": slots,
        "exclusivity": exclusivity,
        "rerun_room": rerun_room,
        "completeness": completeness,
        "dates": dates,
        "hosts": hosts,
        "capacity": capacity,
        "anti_affinity": anti_affinity,
        "reserve": reserve,
        "network": network,
        "online": online,
    }
    found = {name for name, rule in rules.items() if not rule(folder, rows)}
    fresh = accounts.settle(folder)
    return found | {name for name, rule in (("peak", peak), ("bounds", bounds)) if not rule(folder, fresh)}


def job_of(folder, row):
    return next(
        (j for j in folder.estate.jobs if (j.tenant, j.system, j.job) == (row["tenant"], row["system"], row["job"])),
        None,
    )


def spans(job, day: date):
    record = job.window
    text = record.closed_day if builder.closed(day) else record.business_day
    first, last = (int(part[:2]) + int(part[3:]) / 60 for part in text.split("-"))
    return builder.at(day, first), builder.at(day, last if last > first else last + 24)


def length(row):
    return (row["fixed_s"] + row["cpu_s"] / row["max_cores"]) * SECOND


def windows(folder, rows):
    for row in rows:
        if row["start"] < row["window_start"] or row["end"] > row["window_end"] or row["start"] < folder.estate.start:
            return False
        if (row["start"] - folder.estate.start) % timedelta(minutes=10) or abs(
            row["end"] - row["start"] - length(row)
        ) > MICRO:
            return False
        job = job_of(folder, row)
        if job is None:
            continue
        day = row["window_start"].astimezone(JST).date()
        # one night: the window is the release's own, and the deadline is not after its end
        if spans(job, day) != (row["window_start"], row["window_end"]) or row["release"] != row["window_start"]:
            return False
        if row["deadline"] > row["window_end"]:
            return False
    return True


def deadlines(_, rows):
    return all(
        row["release"] <= min(row["start"], row["earliest_start"]) and row["end"] <= row["deadline"] for row in rows
    )


def precedence(folder, rows):
    named = {row["run_id"]: row for row in rows}
    for row in rows:
        for after in row["after"]:
            other = named.get(after["run"])
            if other is None or after["lag_s"] < 0 or after["lag_business_h"]:
                return False
            if row["start"] < other["end"] + after["lag_s"] * SECOND - MICRO:
                return False
        job = job_of(folder, row)
        for wanted in job.after if job else ():
            earlier = [
                other
                for other in rows
                if (other["tenant"], other["system"], other["job"]) == (wanted.tenant, wanted.system, wanted.job)
                and timedelta() <= row["release"] - other["release"] <= timedelta(days=wanted.within_days)
            ]
            if earlier:
                release = max(other["release"] for other in earlier)
                if not any(
                    after["run"] in named
                    and any(named[after["run"]] is other and other["release"] == release for other in earlier)
                    and after["lag_s"] >= wanted.lag_s
                    for after in row["after"]
                ):
                    return False
    return True


def slots(folder, rows):
    online_load = folder.online.to_pylist()
    for vm in folder.layout.vms:
        mine = [row for row in rows if row["vm"] == vm.id]
        loads = [row for row in online_load if row["vm"] == vm.id]
        moments = {row["start"] for row in mine} | {row["from"] for row in loads}
        moments |= {moment for change in vm.vcpu_changes for moment in (change.from_, change.until)}
        for moment in moments:
            now = [row for row in mine if row["start"] <= moment < row["end"]]
            cores = sum(row["max_cores"] for row in now)
            cores += sum(row["cores"] for row in loads if row["from"] <= moment < row["until"])
            vcpu = next((c.vcpu for c in vm.vcpu_changes if c.from_ <= moment < c.until), vm.vcpu)
            if len(now) > vm.slots or cores > vcpu + 1e-6:
                return False
    return True


def exclusivity(_, rows):
    by_system = defaultdict(list)
    for row in rows:
        by_system[row["tenant"], row["system"]].append(row)
    return not any(
        (a["exclusive"] or b["exclusive"]) and a["start"] < b["end"] and b["start"] < a["end"]
        for group in by_system.values()
        for a, b in combinations(group, 2)
    )


def rerun_room(folder, rows):
    for row in rows:
        job = job_of(folder, row)
        asked = row["rerun_room"] or bool(job and job.rerun_room and folder.estate.policy.rerun_room)
        if asked and row["end"] + (row["end"] - row["start"]) > row["window_end"] + MICRO:
            return False
    return True


def completeness(folder, rows):
    estate, planned = {vm.id: vm for vm in folder.estate.vms}, {vm.id: vm for vm in folder.layout.vms}
    if sorted(estate) != sorted(vm.id for vm in folder.layout.vms):
        return False
    for name, vm in planned.items():
        want = estate[name]
        same = (
            (vm.tenant, vm.system, vm.role, vm.site, vm.segment, vm.vcpu, vm.image, vm.slots, vm.restore_priority)
            == (
                want.tenant,
                want.system,
                want.role,
                want.site,
                want.segment,
                want.vcpu,
                want.image,
                want.slots,
                want.restore_priority,
            )
            and vm.memory_mib == want.memory_gib * 1024
            and [(c.from_, c.until, c.vcpu) for c in vm.vcpu_changes]
            == [(c.from_, c.until, c.vcpu) for c in want.vcpu_changes]
            and vm.vcpu_max == max([want.vcpu, *(c.vcpu for c in want.vcpu_changes)])
            and [(d.size_gib, d.protect) for d in vm.disks] == [(d.size_gib, d.protect) for d in want.disks]
            and set(vm.anti_affinity) == set(want.anti_affinity)
            and [(p.rule, p.options) for p in vm.products] == [(p.rule, p.options) for p in want.products]
            and vm.from_ is vm.until is None
        )
        if not same:
            return False
    if len(rows) != folder.run.runs or len({row["run_id"] for row in rows}) != len(rows):
        return False
    for row in rows:
        job = job_of(folder, row)
        if job is None or row["vm"] != job.vm or row["vm"] not in planned:
            return False
        if any(
            row[name] != getattr(job, name)
            for name in ("fixed_s", "cpu_s", "io_mib", "work_cv", "exclusive", "rerun_room")
        ):
            return False
        vm = planned[row["vm"]]
        if row["max_cores"] not in {min(job.max_cores, vcpu) for vcpu in (vm.vcpu, *(c.vcpu for c in vm.vcpu_changes))}:
            return False
        if row["run_id"].rpartition("/")[0] != f"{row['tenant']}/{row['system']}/{row['job']}":
            return False
    return True


def dates(folder, rows):
    """Daily jobs have a run on every day, monthly ones on each last business day."""
    have = Counter((row["tenant"], row["system"], row["job"], row["run_id"].rpartition("/")[2]) for row in rows)
    first, last = (moment.astimezone(JST).date() for moment in (folder.estate.start, folder.estate.end))
    for job in folder.estate.jobs:
        for offset in range((last - first).days):
            day = first + timedelta(days=offset)
            if (job.job != "closing" or builder.month_end(day)) and not have[
                job.tenant, job.system, job.job, day.isoformat()
            ]:
                return False
    expected = {(job.tenant, job.system, job.job): job.job for job in folder.estate.jobs}
    for tenant, system, job, day in have:
        if (tenant, system, job) in expected:
            if job == "closing" and not builder.month_end(date.fromisoformat(day.partition("#")[0])):
                return False
            rows_of = [r for r in rows if r["run_id"] == f"{tenant}/{system}/{job}/{day}"]
            own = next(j for j in folder.estate.jobs if (j.tenant, j.system, j.job) == (tenant, system, job))
            opening, _ = spans(own, date.fromisoformat(day.partition("#")[0]))
            if any(row["release"] != opening for row in rows_of):
                return False
    return True


def hosts(folder, _):
    own = {host.id: host for host in folder.layout.hosts}
    estate = {host.id: host for host in folder.estate.hosts}
    allowed = {group.id: group.hosts for group in folder.layout.host_sets}
    for vm in folder.layout.vms:
        host = own.get(vm.host)
        if host is None or host.site != vm.site or host.id not in allowed.get(vm.may_run_on, ()):
            return False
        if vm.pinned and set(allowed[vm.may_run_on]) != {host.id}:
            return False
    return all(
        host.id in estate
        and (host.cores, host.memory_mib, host.disk_gib, host.site, host.uri)
        == (
            estate[host.id].cores,
            estate[host.id].memory_gib * 1024,
            estate[host.id].disk_gib,
            estate[host.id].site,
            estate[host.id].uri,
        )
        for host in folder.layout.hosts
    )


def needs(vms):
    return (
        sum(vm.memory_mib for vm in vms),
        sum(d.size_gib for vm in vms for d in vm.disks),
        sum(vm.vcpu_max for vm in vms),
    )


def room(folder, host):
    policy = folder.estate.policy
    return host.memory_mib * policy.memory_overcommit, host.disk_gib, host.cores * policy.vcpu_overcommit


def capacity(folder, rows):
    zero = folder.estate.start
    for host in folder.layout.hosts:
        vms = [vm for vm in folder.layout.vms if vm.host == host.id]
        if any(need > have for need, have in zip(needs(vms), room(folder, host), strict=True)):
            return False
        names = {vm.id for vm in vms}
        loads = [
            (
                (row["start"] - zero).total_seconds() + row["fixed_s"],
                (row["end"] - zero).total_seconds(),
                row["max_cores"],
            )
            for row in rows
            if row["vm"] in names
        ]
        loads += [
            ((row["from"] - zero).total_seconds(), (row["until"] - zero).total_seconds(), row["cores"])
            for row in folder.online.to_pylist()
            if row["vm"] in names
        ]
        if accounts.delivered(loads, accounts.slots_of(folder)).max() > host.cores + 1e-6:
            return False
    return True


def anti_affinity(folder, _):
    return not any(
        a.host
        and a.host == b.host
        and (
            set(a.anti_affinity) & set(b.anti_affinity) or (a.tenant, a.system, a.role) == (b.tenant, b.system, b.role)
        )
        for a, b in combinations(folder.layout.vms, 2)
    )


def reserve(folder, _):
    spare = [host for host in folder.layout.hosts if host.spare]
    if len(spare) < folder.estate.policy.spare_hosts:
        return False
    for host in folder.layout.hosts:
        vms = [vm for vm in folder.layout.vms if vm.host == host.id]
        if host.spare and vms:
            return False
        if vms and not any(
            all(n <= h for n, h in zip(needs(vms), room(folder, other), strict=True)) for other in spare
        ):
            return False
    return True


def network(folder, _):
    networks = {network.id: network for network in folder.layout.networks}
    for vm in folder.layout.vms:
        own = networks.get(vm.network)
        if own is None or (own.tenant, own.segment, own.site) != (vm.tenant, vm.segment, vm.site):
            return False
        usable = set(ipaddress.ip_network(own.subnet).hosts()) - {ipaddress.ip_address(own.gateway)}
        if ipaddress.ip_address(vm.address) not in usable:
            return False
    subnets = [ipaddress.ip_network(network.subnet) for network in networks.values()]
    return not any(a.overlaps(b) for a, b in combinations(subnets, 2)) and not folder.layout.flows


def peak(folder, fresh):

    def table(contents):
        cells: dict[tuple, list] = defaultdict(list)
        for row in contents.profile.to_pylist():
            cells[row["site"], row["slot"], row["tenant"]].append((row["before"], row["after"]))
        return cells

    have, want = table(folder), table(fresh)
    for key in have.keys() | want.keys():
        got, due = have.get(key, [(0.0, 0.0)]), want.get(key, [(0.0, 0.0)])
        if len(got) != 1 or any(abs(a - b) > 1e-6 for a, b in zip(got[0], due[0], strict=True)):
            return False
    totals: dict[datetime, float] = defaultdict(float)
    early: dict[datetime, float] = defaultdict(float)
    for (_, slot, _), ((before, after),) in want.items():
        totals[slot] += after
        early[slot] += before
    if len(folder.run.peaks) != 1:
        return False
    record, due = folder.run.peaks[0], fresh.run.peaks[0]
    return (
        abs(record.after_cores - due.after_cores) <= 1e-6
        and abs(record.before_cores - due.before_cores) <= 1e-6
        and abs(totals[record.after_at] - due.after_cores) <= 1e-6
        and abs(early[record.before_at] - due.before_cores) <= 1e-6
        and record.tightest_week == accounts.monday(record.after_at)
        and record.capacity_cores == due.capacity_cores
    )


def bounds(folder, fresh):
    due = {bound.resource: bound for bound in fresh.layout.bounds}
    if sorted(bound.resource for bound in folder.layout.bounds) != sorted(due):
        return False
    for bound in folder.layout.bounds:
        if (
            abs(bound.plan - due[bound.resource].plan) > 1e-6
            or bound.lower_bound > bound.plan + 1e-6
            or bound.lower_bound <= 0
        ):
            return False
        if abs(bound.gap - (bound.plan - bound.lower_bound) / bound.lower_bound) > 1e-9 or not bound.proof:
            return False
        if bound.resource == "cpu_peak_cores" and any(
            abs(p.bound_cores - bound.lower_bound) > 1e-6 for p in folder.run.peaks
        ):
            return False
    return True


def online(folder, _):
    days = [folder.estate.start + timedelta(days=i) for i in range((folder.estate.end - folder.estate.start).days)]
    due = Counter(
        (vm.id, builder.at(day.astimezone(JST).date(), 8), builder.at(day.astimezone(JST).date(), 18), 1.0)
        for day in days
        if not builder.closed(day.astimezone(JST).date())
        for vm in folder.estate.vms
    )
    return due == Counter(tuple(row.values()) for row in folder.online.to_pylist())
