"""Host parts: the bits of an address that stay when the prefix changes.

A suffix is written as an IPv6 address whose prefix bits are zero ("::f000:0:0:0").
A bit set inside the prefix is an error, never ignored: somebody meant something by it.
"""

from gitops_prefix.decide.address import BITS, format_address


def check_suffix(suffix: int, prefix_length: int) -> None:
    """Refuse a host part that reaches into the prefix.

    Raises:
        ValueError: a bit of `suffix` is set inside the first `prefix_length` bits.
    """
    host = suffix & host_mask(prefix_length)
    if host != suffix:
        raise ValueError(
            f'"{format_address(suffix)}" has bits set inside the /{prefix_length} prefix: '
            f"write only the host part{_instead(suffix, host, prefix_length)}"
        )


def _instead(suffix: int, host: int, prefix_length: int) -> str:
    """What was meant, as far as can be told: some forget the colons that fill the prefix."""
    # "f000::" for "::f000:0:0:0": the hextets slid to the front, whole.
    whole_hextets = -(-prefix_length // 16) * 16
    meant = host or suffix >> whole_hextets
    return f', as in "{format_address(meant)}"' if meant else ""


def host_mask(prefix_length: int) -> int:
    """The bits of an address that are behind the first `prefix_length`."""
    return (1 << (BITS - prefix_length)) - 1
