"""The builder: from a solution (who creates each process, in which session and group) to processes, helpers and an order."""
