"""The agent of a crplan script: it does what a shell cannot, one step at a time, and knows no plan.

It reads a step a line from descriptor 3 and answers a line on descriptor 4: "ok", or "no" with a sentence that ends in the
errno's name. It is the executor, outside the new pid namespace (task 0). Every process that it creates is a copy of it which
obeys orders that come through a socket; only this process holds the other ends, so a process that lives when it dies reads the
end of the stream and dies too. Python 3.8 or later, Linux 5.9 or later, nothing but the standard library.
"""
