"""Planning: from a forest to the decisions that a plan consists of."""
