"""A machine's facts: the records, how they are found out, and the numbers that are in use."""
