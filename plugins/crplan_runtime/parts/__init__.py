"""The runtime of the emitted programs, in parts: they stand one after the other behind the plan's data.

The parts use the standard library of Python 3.8 and later and import nothing but it and each other. Every import of the standard
library is a plain `import name` (or one name of collections.abc), every import of a part stands in lines of its own: the
former move to the top, and the latter are dropped.
"""
