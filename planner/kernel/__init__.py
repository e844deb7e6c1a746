"""The model kernel: the rules of Linux on processes as code, and the proof of plans on it."""
