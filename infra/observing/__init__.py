"""Asks hosts what they run, and reads what they say."""
