"""Helpers for tests of the planner and of plugins."""
