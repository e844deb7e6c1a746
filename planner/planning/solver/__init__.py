"""The creator of each process: the rules of births, and an exact search over them.

The problem is read off a forest (`problem`), what is regular is settled in linear time (`reduction`), and the rest is a small
set of clauses (`rules`) for a search that keeps causes (`engine`, `orders`). `births` puts the answer together.
"""
