"""What would happen: a scenario goes through `plan`, step by step. PURE.

No I/O, no clock: files in, steps and pictures of them out. Nothing is decided here:
`plan` hears, decides and renders, as in the daemon.
"""
