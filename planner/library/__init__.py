"""The library: the functions that `planner` offers under its own name, and what they share with the command line."""
