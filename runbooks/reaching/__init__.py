"""How commands get to the machines of a run and come back in time."""
