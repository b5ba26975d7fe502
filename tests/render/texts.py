"""Generated text files with markers: `python -m tests.render.texts [COUNT [FIRST]]`.

Each is made twice, for one prefix and for another, by Python's `ipaddress` alone. Rendering
the first must give the second, to the byte; again, the same; and back, the first.
"""

import random
import sys
from ipaddress import IPv6Address

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.transition import Choice, advance
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import render
from gitops_prefix.render.settings import Settings
from tests.render.repository import NOON, PREFIX

PREFIXES = ("2001:db8:a::/64", "2001:db8:b::/64", "2a02:1:2:3400::/64", "fd12:3456:789a:1::/64")
NOISE = (
    "52:54:00:12:34:56 00:1a:2b:3c:4d:5e:6f:70 12:34:56 2026-11-24T12:00:00Z",
    "1b4e28ba-2fa1-11d2-883f-0016d3cca427 deadbeefcafe0123456789abcdef0123456789ab",
    "std::vector a::b Foo::Bar 8080:80 443:8443/tcp v1.2.3 10.0.0.1:53 fe80::1%eth0 ::1 ::",
    "2001:db8:ffff::1 2001:db8:a:1::1 x2001:db8:a::1 2001:db8:a::1x 2001:db8:a::12345",
    "sha256:0123456789abcdef {{ name }} ${VAR} <b>&amp;</b> \\d+ 100% $1",
    "\u00e9\u4e2d\U0001f600 \t  ",
    "",
)
COMMENTS = (
    "# {}",
    "// {}",
    "; {}",
    "-- {}",
    "/* {} */",
    "<!-- {} -->",
    "{{# {} #}}",
    "## {} words",
    "! {}",
)


def form(rng: random.Random, host: int, network: int) -> str:
    """An address in one of the forms that people write."""
    address = IPv6Address(network | host)
    text = rng.choice((address.compressed, address.compressed, address.exploded))
    text = text.upper() if rng.random() < 0.2 else text
    last = IPv6Address(network | (host | 0xFF)).compressed
    shapes = (
        f"[{text}]:{rng.randrange(1, 65536)}",
        f"https://user:pw@[{text}]/x?y=1#z",
        f"{text}/{rng.choice((64, 80, 128))}",
        f"{text}%eth0",
        f"{text}-{last}",
        address.reverse_pointer,
        f'"{text}",',
        f"K={text}",
        text,
    )
    return rng.choice(shapes)


class Made:
    """A text for one prefix, and the same for another."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.past, self.current = map(Prefix.parse, rng.sample(PREFIXES, 2))
        self.lines: list[tuple[str, str]] = []
        for _ in range(rng.randrange(1, 8)):
            rng.choice((self.plain, self.beside, self.above, self.between))()
        self.newline = rng.choice(("\n", "\n", "\r\n"))
        self.end = rng.choice(("", self.newline))
        self.name = rng.choice(("a.conf", "Corefile", "x.yaml.j2", ".env", "a.txt"))

    def words(self) -> tuple[str, str]:
        rng = self.rng
        parts = [(noise, noise) for noise in rng.choices(NOISE, k=rng.randrange(2))]
        for _ in range(rng.randrange(1, 4)):
            host = rng.choice((0, 1, 0x10, rng.getrandbits(16), rng.getrandbits(64)))
            state = rng.getstate()
            before = form(rng, host, self.past.network)
            rng.setstate(state)
            parts.append((before, form(rng, host, self.current.network)))
        rng.shuffle(parts)
        return " ".join(one for one, _ in parts), " ".join(other for _, other in parts)

    def marker(self, end: str = "") -> str:
        return self.rng.choice(COMMENTS).format(f'{{"$dynamicprefix": "home:rewrite{end}"}}')

    def same(self, line: str) -> None:
        self.lines.append((line, line))

    def plain(self) -> None:
        self.same(self.rng.choice(NOISE))
        self.same(self.words()[0])

    def beside(self) -> None:
        marker, (before, after) = self.marker(), self.words()
        self.lines.append((f"{before} {marker}", f"{after} {marker}"))

    def above(self) -> None:
        self.same(" " * self.rng.randrange(3) + self.marker())
        self.lines.append(self.words())

    def between(self) -> None:
        self.same(self.marker(":begin"))
        self.lines += [self.words() for _ in range(self.rng.randrange(4))]
        self.same(self.marker(":end"))

    def texts(self) -> tuple[bytes, bytes]:
        """The text before, and after; a byte that is no UTF-8 is in some."""
        tail = b"\xff\xfe" if self.rng.random() < 0.1 else b""
        one, other = (
            (self.newline.join(line[which] for line in self.lines) + self.end).encode() + tail
            for which in (0, 1)
        )
        return one, other


def moved(files: dict[str, bytes], prefix: Prefix) -> dict[str, bytes]:
    """The files after one prefix more."""
    inventory = read_inventory(files, Settings())
    statuses = {
        key: advance(document.specification, document.status, Choice(prefix), NOON)
        for key, document in inventory.dynamic_prefixes.items()
    }
    rendering = render(inventory, statuses)
    assert not [str(problem) for problem in rendering.problems if problem.severity == "error"]
    return files | rendering.files


def check(seed: int) -> None:
    made = Made(seed)
    before, after = made.texts()
    files = {"home.yaml": PREFIX, made.name: before}
    steps = (
        (made.past, before),
        (made.current, after),
        (made.current, after),
        (made.past, before),
    )
    for prefix, expected in steps:
        files = moved(files, prefix)
        assert files[made.name] == expected, seed


def main(count: int = 50_000, first: int = 0) -> int:
    for seed in range(first, first + count):
        check(seed)
    print(f"{count} texts: every other byte stays, twice is once, and back is back")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
