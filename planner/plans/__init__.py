"""Plans: the plan as a fold of the decision events, its JSON document, its words, and what can be made of it."""
