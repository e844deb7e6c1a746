"""What carries a plan out with an interpreter: `python` and `shell` write it into their programs, `crplan run` starts it.

`parts` is the program itself, and `text` joins it to one text. `lines` is a plan in the words that it reads, `limits` what it
cannot do. `child` runs a program and turns what it tells into run events.
"""
