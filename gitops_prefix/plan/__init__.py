"""The pass as pure functions: hear, decide, plan, and the occasion of a commit.

No I/O, no clock, no thread, no logging. The daemon, `observe`, `simulate`, `render`,
`template` and `apply` call the same functions, so they cannot decide differently.
"""
