"""`make bench`: every measurement, one after the other."""

from . import licence_count, licence_split, plan_pilot

plan_pilot.main()
licence_count.main()
licence_split.main()
