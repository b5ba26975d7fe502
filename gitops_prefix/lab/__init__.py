"""A router to rehearse with: Router Advertisements on a test link.

The daemon never imports this package. What is sent is a value of `decide`; the clock and
the choice of a link are the caller's.
"""
