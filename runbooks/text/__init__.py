"""A runbook as text: Markdown read into records, its templates and parameters, and its paper form."""
