"""A run of a runbook: what is known first, what is agreed to, each step, and the journal of all of it."""
