"""crplan: an event-sourced restart planner for checkpoint images of Linux process trees."""
