"""Events: what an image says, what the planner decided and what a run did, and the log that holds them."""
