"""A whole estate without a plan: every run of every tenant at its earliest start, site by site, as columns."""
