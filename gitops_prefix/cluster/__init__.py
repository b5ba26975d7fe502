"""What talks to an API server: the only place that imports `kubernetes`, and only when needed.

The daemon starts what is here as child processes, and never imports it.
"""
