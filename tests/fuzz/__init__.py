"""Hostile input for every parser: it is taken, or refused with a documented error; whole and in pieces agree.

`make fuzz` runs this with thousands of examples each, drawn anew every time; the suite with a few dozen fixed ones.
"""
