"""What would happen: a scenario walked through decide and render, step by step. PURE.

No I/O, no clock: files in, steps out, and pictures of them. It decides nothing by
itself; what a router's word means is `decide`'s, what a manifest holds `render`'s.
"""
