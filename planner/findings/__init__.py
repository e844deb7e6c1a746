"""Findings: the registry of codes, problems as records, and the records of a report."""
