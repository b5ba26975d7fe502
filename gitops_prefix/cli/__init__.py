"""The command line: one module a command, and one door for errors.

What lives here reads arguments, the clock and the file system, calls one function
of a lower package, and prints. Nothing is decided here.
"""
