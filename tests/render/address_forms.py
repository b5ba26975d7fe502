"""What people write: addresses in every form, and words that only look like one."""

import random
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import TypeAlias

Pair: TypeAlias = tuple[str, str]

NOISE = (
    "52:54:00:12:34:56 00:1a:2b:3c:4d:5e:6f:70 00-1a-2b-ff-fe-3c-4d-5e 12:34:56",
    "2026-11-24T12:00:00Z 12:34:56.789+01:00 1:02:03:04 16:9",
    "1b4e28ba-2fa1-11d2-883f-0016d3cca427 deadbeefcafe0123456789abcdef0123456789ab",
    "std::vector a::b Foo::Bar crate::a::f00 ::dead() 8080:80 443:8443/tcp v1.2.3 10.0.0.1:53",
    "fe80::1%eth0 ::1 :: [::]:8080:80/tcp ::ffff:192.0.2.1 arn:aws:iam::123456789012:user/a",
    "2001:db8:ffff::1 2001:db8:a:1::1 x2001:db8:a::1 2001:db8:a::1x 2001:db8:a::12345",
    "2001:db8:a::1::2 2001:db8:a:0:1:2:3 2001:db8:a 0:2001:db8:a:0:1:2:3:4 _2001:db8:a::1",
    "aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99 MD5:20:01:0d:b8:00:0a:00:00:00:00:00:00:00:00:00:01",
    "node-2001:db8:a::1 2001:db8:a::1-backup 2001:db8:a::1.example 2001:db8::/32 2001:db8:a::/48",
    "sha256:0123456789abcdef {{ name }} ${VAR} <b>&amp;</b> \\d+ 100% $1 C:\\dead\\beef",
    "0.0.0.0.f.f.f.f.8.b.d.0.1.0.0.2.ip6.arpa 8.b.d.0.1.0.0.2.ip6.arpa x.ip6.arpa 1.2.0.192.in-addr.arpa",
    '\u00e9\u4e2d\U0001f600 it\'s "so"',
    "",
)


def both(change: Callable[[str], str], pair: Pair) -> Pair:
    """The same change of a text before and after."""
    return change(pair[0]), change(pair[1])


def _written(rng: random.Random, host: int, network: int) -> str:
    """One of the texts that mean an address and show the same form in every prefix."""
    address = IPv6Address(network | host)
    short, long = address.compressed, address.exploded
    unpadded = ":".join(f"{int(group, 16):x}" for group in long.split(":"))
    text = rng.choice((short, short, short, long, unpadded))
    if rng.random() < 0.1 and host >> 32:
        octets = ".".join(str(host >> shift & 0xFF) for shift in (24, 16, 8, 0))
        text = f"{long.rsplit(':', 2)[0]}:{octets}"
    return text.upper() if rng.random() < 0.2 else text


def form(rng: random.Random, host: int, network: int) -> str:
    """An address in one of the forms that people write."""
    address, text = IPv6Address(network | host), _written(rng, host, network)
    last = IPv6Address(network | (host | 0xFF)).compressed
    pointer = address.reverse_pointer
    cut = rng.choice((0, 0, 2 * rng.randrange(17)))
    shapes = (
        f"[{text}]:{rng.randrange(1, 65536)}",
        f"https://user:pw%40@[{text}]/x?y=1#z",
        f"https://[{text}%25eth0]:8443",
        f"{text}/{rng.choice((64, 80, 127, 128))}",
        f"[{text}]/64",
        f"{text}%eth0",
        f"{text}-{last}",
        f"{text}..{last}",
        f"{text} - {last}",
        f"[{text}]-[{last}]",
        f"%5B{text}%5D:80",
        f"url=http%3A%2F%2F%5b{text}%5d",
        pointer[cut:],
        f"_dns._udp.{pointer}.".upper(),
        f'"{text}",',
        f"ip6:{text}/64 tcp6:[{text}]:80",
        f"K={text}",
        f"({text};{text}|{text})",
        f"/zone/{text}/",
        f"{text}@853#dns",
        text,
    )
    return rng.choice(shapes)


def token(rng: random.Random, past: int, current: int) -> Pair:
    """One address in one form, in a network before and after."""
    host = rng.choice(
        (0, 1, 0x10, rng.getrandbits(16), rng.getrandbits(64), rng.getrandbits(4) << 60)
    )
    state = rng.getstate()
    before = form(rng, host, past)
    rng.setstate(state)
    return before, form(rng, host, current)
