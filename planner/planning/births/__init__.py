"""Births: who creates whom, in which session and group, and in which order."""
