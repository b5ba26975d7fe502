"""The DynamicPrefix of a test, as text: a test writes what it is about, and this the rest."""

HEARD = "routerAdvertisement: {interface: eth0}"
STATIC = 'static: {prefix: "2001:db8:1::/64"}'
UPPER_HALF = 'start: "::f000:0:0:0", end: "::ffff:ffff:ffff:ffff"'


def dynamic_prefix(source: str = HEARD, ranges: tuple[str, ...] = (), more: str = "") -> str:
    """A DynamicPrefix named home.

    Args:
        source: the line below `acquisition`.
        ranges: the names of its address ranges, which are all the same one.
        more: further lines of the document, indented as they are.
    """
    lines = "".join(f"    - {{name: {name}, {UPPER_HALF}}}\n" for name in ranges)
    return (
        "apiVersion: dynamic-prefix.io/v1alpha1\n"
        "kind: DynamicPrefix\n"
        "metadata:\n"
        "  name: home\n"
        "spec:\n"
        "  acquisition:\n"
        f"    {source}\n" + (f"  addressRanges:\n{lines}" if lines else "") + more
    )
