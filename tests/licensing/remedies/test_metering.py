"""Which VMs are metered while licences are missing: as few as it takes, the smallest that is enough."""

from __future__ import annotations

from layout.licence_records import ViolationResult
from licensing.remedies.metering import all_short, fewest
from tests.licensing.remedies.plans import at
from tests.licensing.small_layouts import host, layout, vm

HOSTS = [host("h1"), host("h2"), host("h3")]
PLAN = layout(
    HOSTS,
    [
        vm("a", "h1", []),
        vm("b", "h1", [], may_run_on="two"),
        vm("c", "h3", [], may_run_on="only-h3"),
    ],
    sets={"two": ["h1", "h2"]},
)


def short(
    vm: str | None, since: int, until: int, held: int, needed: int, hosts: tuple[str, ...] = ()
) -> ViolationResult:
    """A violation from one day of May to another."""
    return ViolationResult(
        rule="r.r", vm=vm, host=None, **{"from": at(5, since)}, until=at(5, until), held=held, needed=needed, unit="x",
        hosts=hosts, busy_season=False, because="",
    )  # fmt: skip


def test_one_vm_that_is_enough_is_metered_alone():
    # 4 + 4 + 4 are missing: b alone sets 12 free, a and c together 16.
    violations = [short("a", 1, 3, 4, 8), short("b", 1, 3, 8, 12), short("c", 1, 3, 4, 8)]
    assert fewest(violations, PLAN) == {"b": [(at(5, 1), at(5, 3))]}
    assert sorted(all_short(violations, PLAN)) == ["a", "b", "c"]


def test_the_smallest_that_is_enough_comes_first():
    violations = [short("a", 1, 3, 30, 32), short("b", 1, 3, 2, 4)]
    assert fewest(violations, PLAN) == {"b": [(at(5, 1), at(5, 3))]}


def test_a_vm_that_is_metered_stays_so_while_it_is_enough():
    # On the second day c would do as well, and is smaller.
    violations = [short("a", 1, 3, 4, 8), short("c", 2, 3, 2, 6)]
    assert fewest(violations, PLAN) == {"a": [(at(5, 1), at(5, 3))]}


def test_times_without_a_shortage_are_not_metered():
    violations = [short("a", 1, 3, 0, 4), short("a", 5, 6, 0, 4), short("a", 6, 7, 0, 8)]
    spans = [(at(5, 1), at(5, 3)), (at(5, 5), at(5, 7))]
    assert fewest(violations, PLAN) == all_short(violations, PLAN) == {"a": spans}


def test_uncovered_hosts_name_the_vms_that_use_them():
    assert sorted(all_short([short(None, 1, 3, 0, 16, ("h2",))], PLAN)) == ["b"]
    assert sorted(all_short([short(None, 1, 3, 0, 16, ("h1", "h3"))], PLAN)) == ["a", "b", "c"]
    assert sorted(all_short([short(None, 1, 3, 0, 16)], PLAN)) == ["a", "b", "c"]
