"""Executable procedures: Markdown that an engineer reads on paper and the runner carries out over SSH."""
