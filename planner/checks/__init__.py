"""Checks: ask the installed checks, and build the report."""
