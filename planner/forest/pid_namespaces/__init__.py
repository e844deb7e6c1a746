"""Pid namespaces: what an image says of them, and the inference of what it does not say."""
