"""Explanations: why a step is there, as a look-up of the decisions and their evidence."""
