"""Bytes on a link to observations: sockets, the codec, captures.

Nothing here renders, publishes or decides; what a router said is handed upward as
it is understood.
"""
