"""The recorder: stands between a client and a server that know nothing of it, and keeps what they say in a recording.

* `file.py`: the recording that grows on disk, redacted before it is written
* `pipes.py`: the recorder of a server that is a process

What crosses the recorder is passed on byte for byte; what is kept is what the transports of a switchboard would have logged. Pinned
by `tests/recorder/`.
"""
