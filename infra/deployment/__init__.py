"""Runs the stacks of a plan in order through the Pulumi engine, each until its preview is clean."""
