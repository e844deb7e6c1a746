"""Checkpoint: a running tree with nested pid namespaces, dumped by CRIU in parts and kept as one image.

`parts` cuts the tree, `commands` says what is run, `worker` runs it with a watch over it, and `manifest` makes one image of it.
"""
