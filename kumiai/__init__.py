"""The command line. One file per command group, no logic of its own."""
