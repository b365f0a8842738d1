"""`make bench`: every measurement, one after the other."""

from . import plan_pilot

plan_pilot.main()
