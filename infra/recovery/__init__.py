"""Takes up after a run that did not end: whose turn it is, which record is whole, what was left on the hosts."""
