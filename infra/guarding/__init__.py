"""Judges a preview of Pulumi before anybody runs it."""
