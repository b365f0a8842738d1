"""Work in a child process: the same answer, and nothing left where the child fails or nobody asks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HOUSE = Path(__file__).parents[2]

# Other threads forbid a child, and the test runner has some: each of these runs in a process of its own.
SAME_RESULT = """
import licensing
from benchmarks.national_layout import FISCAL_YEAR, national_layout
from licensing import aside, counting

layout = national_layout(400, 48, 200)
children = []
fork = aside._fork
aside._fork = lambda work: children.append(1) or fork(work)
results = []
for worth in (10**9, 0):
    counting.WORTH_A_PROCESS = worth
    results.append(licensing.count(layout, fiscal_year=FISCAL_YEAR, entitlements=None).to_json())
print(results[0] == results[1], len(children))
"""

A_CHILD_THAT_FAILS = """
from licensing.aside import Aside

def work():
    raise ValueError("in the child")

with Aside(work, worth=True) as aside:
    print(aside.answer())
"""

NOBODY_ASKS = """
import os, time
from licensing.aside import Aside

try:
    with Aside(lambda: time.sleep(600), worth=True) as aside:
        raise RuntimeError
except RuntimeError:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        print("no child is left")
"""

A_MISTAKE = """
import licensing
from layout.records import Product
from licensing import counting
from tests.licensing.small_layouts import host, layout, vm

counting.WORTH_A_PROCESS = 0
product = Product(rule="oracle-database-enterprise.processor")
try:
    licensing.count(layout([host("h", factors={})], [vm("a", "h", [product])]), fiscal_year=2027, entitlements=None)
except licensing.LicensingError as error:
    print(error.problems[0][:9])
"""


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=HOUSE, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_a_count_is_the_same_with_a_second_process_and_without():
    cores = int(run("import os; print(len(os.sched_getaffinity(0)))"))
    assert run(SAME_RESULT) == f"True {1 if cores > 1 else 0}"


def test_a_child_that_fails_says_nothing():
    assert run(A_CHILD_THAT_FAILS) == "None"


def test_a_child_that_nobody_asks_is_ended():
    assert run(NOBODY_ASKS) == "no child is left"


def test_a_mistake_that_the_child_meets_is_told_once():
    assert run(A_MISTAKE) == "ホスト h の機種"
