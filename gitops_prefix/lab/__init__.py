"""A router to rehearse with: Router Advertisements on a test link, made by scapy.

The `lab` extra's part of the program. scapy is GPL-2.0-only and heavy, so nothing of
this is ever imported by the daemon. What is sent is a value of `decide`; the clock
and the choice of a link are the caller's.
"""
