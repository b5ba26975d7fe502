"""Pull requests for our branches: one file for each forge, behind one Protocol.

A forge's file builds requests and reads answers, without I/O. Only `sync.py` sends them,
through the client that it is given.
"""
