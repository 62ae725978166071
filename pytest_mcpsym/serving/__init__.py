"""A server as a process of its own: what can be served, in which era, on which channel.

`served` says what an object offers, `era` offers one era of it only, `process` runs it until its input ends or a signal comes. Whatever
lies between a server and its channel (one era only, faults) is a `Served` around a `Served`.
"""
