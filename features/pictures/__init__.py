"""Windows of bars as pictures: one file and one line in `registry` for each kind.

A picture is drawn of few numbers. What is computed of bars, and kept in files where space is
short, are the numbers; a net draws the same picture of them, to the bit in float32.
"""
