"""The long-running process: it has the clock, the threads and the metrics.

`loop` makes the passes, `branch` and `proposals` publish what a pass decided, and `decisions`
hears the links meanwhile. `service` joins the parts.
"""
