"""The recorder: stands between a client and a server that know nothing of it, and keeps what they say in a recording.

* `file.py`: the recording that grows on disk, redacted before it is written
* `pipes.py`: the recorder of a server that is a process
* `proxy.py`: the recorder of a server behind a URL; what HTTP says is read in `observed.py`

What crosses the recorder is passed on byte for byte; what is kept is what the transports of a switchboard would have logged. Pinned
by `tests/recorder/` and, with real servers, by `tests/peers/test_recorder.py`.
"""
