"""Pods: several images whose tasks live in one pid namespace become one log."""
