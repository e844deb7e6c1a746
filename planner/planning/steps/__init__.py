"""The steps of a plan, written phase by phase from the ordered births."""
