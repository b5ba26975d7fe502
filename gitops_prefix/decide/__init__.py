"""Which prefix is current, and what stays in transition. Pure: no I/O, no clock.

Values live here when `decide` reasons about them, even if another package
builds them (`RouterAdvertisement` is built by `watch.codec`).
"""
