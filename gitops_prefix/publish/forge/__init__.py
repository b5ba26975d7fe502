"""Pull requests for what waits on branches of ours: one file a forge, behind one Protocol.

Each builds requests and reads answers, and does no I/O; `sync.py` alone asks, through
the client that it is given.
"""
