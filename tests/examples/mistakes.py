"""Mistakes in the repository of examples/ci, and the exit codes of `validate` and `render --check`."""

MISTAKES = {
    "another range that is not rendered": (
        ("network/prefix.yaml", '"::f000:0:0:0"', '"::e000:0:0:0"'),
        [0, 1],
    ),
    "an entry that somebody took away": (
        ("network/cidr-group.yaml", '"2001:db8:1234::/64"', "192.168.42.0/24"),
        [0, 1],
    ),
    "a block that overlaps ours, for which Cilium would disable the pool": (
        ("network/pool.yaml", "2001:db8:1234:0:f000::", "2001:db8:1234:0:f800::"),
        [2, 2],
    ),
    "a range that is misspelt": (
        ("network/pool.yaml", "address-range: loadbalancers", "address-range: loadbalancer"),
        [2, 2],
    ),
}
