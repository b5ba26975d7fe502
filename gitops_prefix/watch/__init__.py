"""Bytes on a link to observations: sockets, the codec, captures.

Nothing here renders, publishes or decides. The watcher passes each event to its sink.
"""
