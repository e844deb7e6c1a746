"""What the processes of an image hold: the fold of the events of detail "all"."""
