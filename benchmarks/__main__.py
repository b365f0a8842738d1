"""`make bench`: every measurement, one after the other; `python -m benchmarks NAME...` only those."""

import argparse

from . import licence_count, licence_split, nation, nation_loop, pilot_deploy, plan_pilot
from .peers import comparison

MEASUREMENTS = {
    "plan-pilot": plan_pilot.main,
    "pilot-deploy": pilot_deploy.main,
    "licence-count": licence_count.main,
    "licence-split": licence_split.main,
    "nation": nation.main,
    "peers": comparison.main,
    "nation-loop": nation_loop.main,
}

parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(MEASUREMENTS)}; none: all")
names = parser.parse_args().names
for name in names:
    if name not in MEASUREMENTS:
        parser.error(f"no measurement {name}; there are {', '.join(MEASUREMENTS)}")
for name in names or MEASUREMENTS:
    MEASUREMENTS[name]()
