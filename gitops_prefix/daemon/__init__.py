"""The long-running process: it has the clock, the threads and the metrics.

`reconcile` is one pass, `loop` calls it when something changed, `decisions` hears
the link meanwhile. `watch` and `publish` meet here and nowhere else.
"""
