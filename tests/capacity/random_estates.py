"""Random small estates for the tests of levelling: a few systems over a few days, every constraint now and then."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import strategies as st

from estate.catalogue_records import OnlineProfile
from tests.capacity.small_estates import ASSUMED, DAILY, after, change, estate, job, rule, window

START = date(2027, 6, 2)  # a Wednesday
WINDOWS = (
    window("20:00-06:00"),
    window("23:00-03:30"),
    window("18:30-22:10"),
    window("08:00-20:00", "10:00-15:00"),
    window("22:15-05:25", "22:15-05:25"),
)
PROFILES = {
    "office": OnlineProfile(name="office", business_day={"08:30-17:15": 1.0, "17:15-20:05": 0.3}, **ASSUMED),
    "round": OnlineProfile(name="round", business_day={"06:30-23:00": 1.0}, closed_day={"00:00-24:00": 0.4}, **ASSUMED),
}
SYSTEMS = ("a/tax", "a/pay", "b/tax")


@st.composite
def estates(draw, max_jobs=6, days=3):
    """An estate of up to three systems of two tenants; predecessors point to earlier jobs, so they form no circle."""
    jobs, names = [], []
    for number in range(draw(st.integers(1, max_jobs))):
        tenant, system = draw(st.sampled_from(SYSTEMS)).split("/")
        waits = [
            after(
                f"{names[index][1]}/{names[index][2]}",
                tenant=names[index][0],
                lag_s=draw(st.sampled_from((0.0, 900.0))),
            )
            for index in sorted(draw(st.sets(st.integers(0, number - 1), max_size=2)) if number else ())
        ]
        single = draw(st.booleans())
        when = rule(date=START + timedelta(days=draw(st.integers(0, days - 1)))) if single else rule(rrule=DAILY)
        jobs.append(
            job(
                f"{system}/j{number}",
                tenant=tenant,
                vm=f"{tenant}-{system}",
                when=when,
                window=draw(st.sampled_from(WINDOWS)),
                nights=draw(st.integers(1, 3)),
                after=tuple(waits),
                fixed_s=draw(st.sampled_from((0.0, 60.0, 600.0, 1234.5))),
                cpu_s=draw(st.sampled_from((0.0, 10.0, 600.0, 2500.0, 7200.0))),
                max_cores=draw(st.sampled_from((0.5, 1.0, 2.0, 3.0))),
                exclusive=draw(st.integers(0, 4)) == 0,
                rerun_room=draw(st.booleans()),
            )
        )
        names.append((tenant, system, f"j{number}"))
    vms = {
        one.vm: {
            "slots": draw(st.integers(1, 2)),
            "vcpu": draw(st.sampled_from((3, 4))),
            "online_cores": draw(st.sampled_from((0.0, 0.7, 2.0))),
            "online_profile": draw(st.sampled_from(("office", "round"))),
            "vcpu_changes": draw(
                st.sampled_from(((), (change(START + timedelta(days=1), START + timedelta(days=2), 6),)))
            ),
        }
        for one in jobs
    }
    return estate(jobs, start=START, days=days, vms=vms, profiles=PROFILES)
