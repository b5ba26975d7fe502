"""PURE: repository files and statuses in, edited files out.

What lives here is text -> text. No I/O, no clock, no logging: checking and showing
are the same call as writing, without the write.
"""
