"""`make bench`: every measurement, one after the other."""

from . import licence_count, plan_pilot

plan_pilot.main()
licence_count.main()
