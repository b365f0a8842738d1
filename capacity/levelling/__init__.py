"""Start times: everything as early as possible, and with the joint CPU peak of each site kept low."""

from capacity.levelling.schedules import earliest, level

__all__ = ["earliest", "level"]
