"""Steps: what is written down of the births, phase by phase."""
