"""Numbers and times at the ends of what a layout can say: refused in a line, or counted exactly and in time."""

import re
import time
from datetime import date, datetime, timedelta

import pytest

import licensing
from estate.clock import JST
from layout.records import EstateReference, MoveRecord, Product
from licensing import rulebook
from licensing.reach import Reach
from tests.licensing.small_layouts import host, layout, vm

ORACLE = Product(rule="oracle-database-enterprise.processor")
USERS = "oracle-database-enterprise.named-user"
SUSE = Product(rule="suse.memory")
WINDOW = Product(rule="microsoft-sql-server.server-90-day")
HOURLY = Product(rule="microsoft-sql-server.core-hourly")
HOSTS = [host("kvm01"), host("kvm02")]
START = datetime(2027, 4, 1, tzinfo=JST)
MANY = 20_000


def plan(*products, hosts=HOSTS, moves=(), **fields):
    return layout(hosts, [vm("a", "kvm01", products, **fields)], moves=moves)


def counted(of, **options):
    return licensing.count(of, fiscal_year=of.estate.fiscal_year, entitlements=None, **options)


REFUSED = {
    "a factor below zero": (plan(ORACLE, hosts=[host("kvm01", factors={"oracle": -0.5})]), "core_factors の oracle"),
    "a factor of zero": (plan(ORACLE, hosts=[host("kvm01", factors={"oracle": 0.0})]), "core_factors の oracle"),
    "a factor without end": (plan(ORACLE, hosts=[host("kvm01", factors={"oracle": 1e308})]), "（1e+308）"),
    "memory below zero": (plan(ORACLE, memory_mib=-1), "memory_mib は 0 から"),
    "memory without end": (plan(SUSE, memory_mib=10**400), "memory_mib は 0 から"),
    "users without end": (plan(Product(rule=USERS, options={"users": 10**400})), "までの数"),
    "users of 1e308": (plan(Product(rule=USERS, options={"users": 1e308})), "までの数"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_number_out_of_bounds_is_refused(name):
    of, words = REFUSED[name]
    with pytest.raises(licensing.LicensingError) as error:
        counted(of)
    assert [words in line for line in error.value.problems] == [True]


@pytest.mark.parametrize("year", [-1, 0, 2018, 2201, 9999, 2**63, 10**400])
def test_a_fiscal_year_that_no_estate_can_have(year):
    of = plan(ORACLE).model_copy(update={"estate": EstateReference(name="x", digest="0" * 64, fiscal_year=year)})
    with pytest.raises(licensing.LicensingError, match="fiscal_year は 2019 から 2200 まで"):
        counted(of)


def test_the_last_day_of_the_calendar_is_no_date_to_ask_for():
    with pytest.raises(licensing.LicensingError, match="--as-of: 9999-12-31"):
        counted(plan(HOURLY), as_of=date(9999, 12, 31))


def test_as_many_users_as_can_be_shown():
    (product,) = counted(plan(Product(rule=USERS, options={"users": 1e15}))).products
    assert product.quantity == 10**15


def test_a_vm_that_stays_until_the_end_of_the_calendar_counts_as_one_that_stays():
    for_ever = plan(WINDOW, from_=START, until=datetime.max.replace(microsecond=0, tzinfo=JST))
    assert counted(for_ever).products == counted(plan(WINDOW, from_=START)).products


def test_a_window_longer_than_the_calendar(tmp_path):
    text = (rulebook.SHIPPED / "microsoft-sql-server.server-90-day.yaml").read_text(encoding="utf-8")
    (tmp_path / "rule.yaml").write_text(re.sub("window_days: [0-9]+", "window_days: 1000000", text), encoding="utf-8")
    moves = [MoveRecord(vm="a", at=START + timedelta(days=1), from_host="kvm01", to_host="kvm02")]
    (long,) = counted(plan(WINDOW, moves=moves), rules_dir=tmp_path).products
    assert {detail.host for detail in long.details} == {"kvm01", "kvm02"}


def test_twenty_thousand_changes_of_one_vm():
    changes = [
        (START + timedelta(minutes=20 * number), START + timedelta(minutes=20 * number + 10), 1 + number % 8)
        for number in range(MANY)
    ]
    began = time.process_time()
    (product,) = counted(plan(HOURLY, changes=changes, vcpu=4)).products
    assert time.process_time() - began < 20
    peaks = [4] * (366 * 24)
    for number, (_, _, vcpu) in enumerate(changes):
        peaks[number // 3] = max(peaks[number // 3], vcpu)
    assert product.quantity == sum(peaks)


def test_thousands_of_moves_of_one_vm():
    names = ("kvm01", "kvm02")
    moves = [
        MoveRecord(vm="a", at=START + timedelta(minutes=100 * n), from_host=names[n % 2], to_host=names[1 - n % 2])
        for n in range(5000)
    ]
    began = time.process_time()
    (product,) = counted(plan(WINDOW, moves=moves)).products
    assert time.process_time() - began < 10
    assert [detail.host for detail in product.details] == list(names)


def test_hosts_of_a_window_are_those_of_every_stay_in_it():
    """Against a search through every stay, with VMs that begin, end and move at the same instants."""
    names = ["kvm01", "kvm02", "kvm03"]
    days = [0, 0, 3, 5, 5, 9, 12]
    for first in (None, 0, 4, 5):
        for last in (None, 6, 9, 13):
            path = [names[number % 3] for number in range(len(days) + 1)]
            moves = [
                MoveRecord(vm="a", at=START + timedelta(days=day), from_host=path[number], to_host=path[number + 1])
                for number, day in enumerate(days)
            ]
            begin = None if first is None else START + timedelta(days=first)
            end = None if last is None else START + timedelta(days=last)
            of = layout([host(name) for name in names], [vm("a", "kvm01", [], from_=begin, until=end)], moves=moves)
            reach = Reach.of(of)
            for day in range(first or 0, last or 20):
                at, found = START + timedelta(days=day), set()
                edges = [None, *(move.at for move in moves), None]
                for number, name in enumerate(path):
                    since, until = edges[number], edges[number + 1]
                    since = begin if since is None else since if begin is None else max(since, begin)
                    until = end if until is None else until
                    empty = since is not None and until is not None and since >= until
                    late = since is not None and since > at
                    gone = until is not None and until <= at - timedelta(days=4)
                    if not (empty or late or gone):
                        found.add(name)
                assert reach.ran_on(of.vms[0], at, 4) == found, (first, last, day)


GRADED = """format: 1
id: acme-tenth.unit
name: アクメ
vendor: アクメ
unit: 個
versions:
  - valid_from: 2000-01-01
    valid_to: null
    region: worldwide
    evidence: C
    source: 試験のための規則
    pack: null
    time: {law: instant-maximum}
    counts:
      - sits_on: [vm]
        base: vcpu
        scope: {hosts: running}
        cap: none
        floors: {}
        factor: {by: value, value: 0.1}
        rounding: none
        stacking: {}
        rights: {mobility: free}
        pinning: {narrows_reach: true}
        grades: [{up_to: 8, name: 小}, {up_to: null, name: 大}]
"""


@pytest.mark.parametrize("number", [10, 20, 30, 40, 300])
def test_tenths_of_a_licence_by_class_add_up_exactly(tmp_path, number):
    (tmp_path / "rule.yaml").write_text(GRADED, encoding="utf-8")
    vms = [vm(f"a{each}", "kvm01", [Product(rule="acme-tenth.unit")]) for each in range(number)]
    (product,) = counted(layout(HOSTS, vms), rules_dir=tmp_path).products
    assert [(grade.grade, grade.quantity) for grade in product.grades] == [("小", number // 10)]
