"""Generated YAML documents whose addresses follow, in every style of a string, and what they mean.

Each is made twice, for one prefix and for another, by Python's `ipaddress` alone: as text, and as
the value that any parser must read.
"""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv6Address
from typing import TypeAlias

from tests.render.address_forms import NOISE, Pair, both, token

Word: TypeAlias = Callable[["Document", int], str]


@dataclass
class Document:
    """Lines before and after, and the values that a parser reads.

    Attributes:
        host: a host part of its own, which no other document of a repository has.
    """

    rng: random.Random
    networks: tuple[int, int]
    host: int = 0xF
    lines: list[Pair] = field(default_factory=list)
    values: tuple[dict[str, object], dict[str, object]] = field(default_factory=lambda: ({}, {}))

    def add(self, line: str, other: str | None = None, *, moves: bool = True) -> None:
        """A line; with `other` where it is another one for the other prefix."""
        self.lines.append((line, other if other is not None and moves else line))

    def holds(self, key: str, value: object, other: object, *, moves: bool = True) -> None:
        """What a parser reads at a key."""
        self.values[0][key], self.values[1][key] = value, other if moves else value

    def marker(self, end: str = "rewrite") -> str:
        """A comment that marks what is in front of it."""
        words = self.rng.choice(("", "", " the house"))
        return f'# {{"$dynamicprefix": "home:{end}"}}{words}'


def words(document: Document, *, plain: bool = False) -> Pair:
    """A line of words with addresses between them."""
    rng = document.rng
    parts = (
        [(noise, noise) for noise in rng.choices(NOISE, k=rng.randrange(2))] if not plain else []
    )
    parts += [token(rng, *document.networks) for _ in range(rng.randrange(1, 3))]
    rng.shuffle(parts)
    line, other = (" ".join(part[which] for part in parts).strip() for which in (0, 1))
    return line, other


def quoted(rng: random.Random, pair: Pair) -> Pair:
    """A string in single or in double quotes."""
    if rng.random() < 0.5 and not any("\n" in text for text in pair):
        return both(lambda text: "'" + text.replace("'", "''") + "'", pair)
    return both(partial(json.dumps, ensure_ascii=False), pair)


def _is_plain(text: str) -> bool:
    return not any(sign in f"{text} " for sign in (": ", " #", "[", "]", "{", "}", ",", '"', "'"))


def add_scalar(document: Document, key: str, indent: str, *, moves: bool = True) -> Pair:
    """A string in some style, and its value."""
    rng, pair = document.rng, words(document)
    if rng.random() < 0.3:
        value = both("at {}".format, words(document, plain=True))
        if all(map(_is_plain, value)):
            comment = f"  {document.marker()}" if moves else "  # 2001:db8:a::1"
            document.add(
                f"{indent}{key}: {value[0]}{comment}",
                f"{indent}{key}: {value[1]}{comment}",
                moves=moves,
            )
            return value
    if rng.random() < 0.2:
        more = words(document)
        pair = (f"{pair[0]}\n{more[0]}", f"{pair[1]}\n{more[1]}")
    written = quoted(rng, pair)
    comment = f" {document.marker()}" if moves else ""
    document.add(
        f"{indent}{key}: {written[0]}{comment}",
        f"{indent}{key}: {written[1]}{comment}",
        moves=moves,
    )
    return pair


def scalar(document: Document, key: str) -> None:
    document.holds(key, *add_scalar(document, key, ""))


def without(document: Document, key: str) -> None:
    """A string without a marker stays."""
    document.holds(key, *add_scalar(document, key, "", moves=False), moves=False)


def block(document: Document, key: str) -> None:
    """A literal or folded block, with every header."""
    rng = document.rng
    sign, chomp = rng.choice("|>"), rng.choice(("", "-", "+"))
    indent = rng.choice((2, 4))
    header = f"{sign}{rng.choice(('', str(indent)))}{chomp}"
    lines = [
        both(lambda text: " ".join(text.split()) or "x", words(document))
        for _ in range(rng.randrange(1, 4))
    ]
    document.add(f"{key}: {header}  {document.marker()}")
    for line, other in lines:
        document.add(" " * indent + line, " " * indent + other)
    joint, end = ("\n" if sign == "|" else " "), ("" if chomp == "-" else "\n")
    document.holds(key, *(joint.join(line[which] for line in lines) + end for which in (0, 1)))


def items(document: Document, key: str) -> None:
    """A block sequence below a marked key, with comments between its items."""
    indent = document.rng.choice(("", "  "))
    document.add(f"{key}:  {document.marker()}")
    pairs = [words(document) for _ in range(document.rng.randrange(1, 4))]
    for pair in pairs:
        if document.rng.random() < 0.3:
            document.add(f"{indent}# was {pair[0]}")
        written = quoted(document.rng, pair)
        document.add(f"{indent}- {written[0]}", f"{indent}- {written[1]}")
    document.holds(key, *([pair[which] for pair in pairs] for which in (0, 1)))


def flow(document: Document, key: str) -> None:
    """A flow sequence or a flow mapping."""
    rng, marker = document.rng, document.marker()
    pairs = [words(document) for _ in range(rng.randrange(1, 4))]
    texts = [quoted(rng, pair) for pair in pairs]
    tail = rng.choice(("", ",", " "))
    if rng.random() < 0.5:
        line, other = (", ".join(text[which] for text in texts) for which in (0, 1))
        document.add(f"{key}: [{line}{tail}] {marker}", f"{key}: [{other}{tail}] {marker}")
        document.holds(key, *([pair[which] for pair in pairs] for which in (0, 1)))
        return
    line, other = (
        ", ".join(f"k{n}: {text[which]}" for n, text in enumerate(texts)) for which in (0, 1)
    )
    document.add(f"{key}: {{{line}{tail}}} {marker}", f"{key}: {{{other}{tail}}} {marker}")
    document.holds(
        key, *({f"k{n}": pair[which] for n, pair in enumerate(pairs)} for which in (0, 1))
    )


def mapping(document: Document, key: str) -> None:
    """Everything below a marked key; addresses in keys, too."""
    rng = document.rng
    document.add(f"{key}:  {document.marker()}")
    values: tuple[dict[str, object], dict[str, object]] = {}, {}
    for number in range(rng.randrange(1, 4)):
        pair, name = words(document), (f"k{number}", f"k{number}")
        if rng.random() < 0.2:
            name = both(f"k{number} {{}}".format, token(rng, *document.networks))
        name, text = both(json.dumps, name), quoted(rng, pair)
        document.add(f"  {name[0]}: {text[0]}", f"  {name[1]}: {text[1]}")
        for which in (0, 1):
            values[which][json.loads(name[which])] = pair[which]
    document.holds(key, *values)


def address(network: int, host: int) -> str:
    return IPv6Address(network | host).compressed


FIELDS: dict[str, Word] = {
    "address:::{host:x}": lambda document, network: address(network, document.host),
    "lb:address:::f000:0:0:{host:x}": lambda document, network: address(
        network, 0xF << 60 | document.host
    ),
    "prefix": lambda _, network: f"{address(network, 0)}/64",
    "lb:cidr": lambda _, network: f"{address(network, 0xF << 60)}/68",
    "lb:start": lambda _, network: address(network, 0xF << 60),
    "lb:end": lambda _, network: address(network, (1 << 64) - 1),
    "lb:range": lambda _, network: "-".join(
        (address(network, 0xF << 60), address(network, (1 << 64) - 1))
    ),
    "network": lambda _, network: ":".join(
        f"{network >> shift & 0xFFFF:x}" for shift in (112, 96, 80, 64)
    ),
}


def of_field(document: Document, key: str) -> None:
    """A field of a marker replaces a string in quotes."""
    rng = document.rng
    name = rng.choice([*FIELDS])
    pair = tuple(FIELDS[name](document, network) for network in document.networks)
    sign, marker = rng.choice("'\""), document.marker(name.format(host=document.host))
    document.add(
        f"{key}: {sign}{pair[0]}{sign}  {marker}", f"{key}: {sign}{pair[1]}{sign}  {marker}"
    )
    document.holds(key, *pair)


def commas(document: Document, key: str) -> None:
    """A string with commas: ours moves, and the others stay in their places."""
    rng = document.rng
    name = rng.choice(("address:::{host:x}", "prefix", "lb:cidr", "lb:cidrs"))
    written = FIELDS[name.replace("cidrs", "cidr")]
    before = [rng.choice(("192.0.2.7", "fd00::7", "10.0.0.0/8")) for _ in range(rng.randrange(3))]
    behind = [
        rng.choice(("198.51.100.7", "plex.example.org", "fd00:1::/48"))
        for _ in range(rng.randrange(1, 3))
    ]
    separator = rng.choice((",", ", ", " , "))
    pair = tuple(
        separator.join([*before, written(document, network), *behind])
        for network in document.networks
    )
    marker = document.marker(name.format(host=document.host))
    document.add(f'{key}: "{pair[0]}" {marker}', f'{key}: "{pair[1]}" {marker}')
    document.holds(key, *pair)


def objects(document: Document, key: str) -> None:
    """A list of mappings: the item that holds our value is the pattern."""
    rng = document.rng
    pair = tuple(FIELDS["lb:cidr"](document, network) for network in document.networks)
    foreign = rng.choice(("192.0.2.0/24", "fd00::/8"))
    document.add(f"{key}:  {document.marker('lb:cidrs')}")
    line, other = (f'  - ipBlock: {{cidr: "{cidr}"}}  # ours' for cidr in pair)
    document.add(line, other)
    document.add("  - ipBlock:")
    document.add(f"      cidr: {foreign}  # theirs")
    document.add("      except: []")
    document.holds(
        key,
        *(
            [{"ipBlock": {"cidr": cidr}}, {"ipBlock": {"cidr": foreign, "except": []}}]
            for cidr in pair
        ),
    )


def lines(document: Document, key: str) -> None:
    """Comments on lines of their own, around strings or above one."""
    rng = document.rng
    ends = (":begin", ":end") if rng.random() < 0.5 else ("", None)
    document.add(document.marker(f"rewrite{ends[0]}"))
    count = rng.randrange(1, 4) if ends[1] else 1
    for number in range(count):
        pair = words(document)
        written = quoted(rng, pair)
        document.add(f"{key}-{number}: {written[0]}", f"{key}-{number}: {written[1]}")
        document.holds(f"{key}-{number}", *pair)
    if ends[1]:
        document.add(document.marker(f"rewrite{ends[1]}"))


MAKERS: Sequence[Callable[[Document, str], None]] = (
    scalar,
    scalar,
    without,
    block,
    block,
    items,
    flow,
    mapping,
    of_field,
    commas,
    objects,
    lines,
)


ANNOTATED = """\
apiVersion: {api}
kind: {kind}
metadata:
  name: a  # {comment}
  annotations:
    dynamic-prefix.io/name: home
    dynamic-prefix.io/address-range: lb
spec:
  {field}  # 2001:db8:a::1
  - {ours}
  - {theirs}
"""
ANNOTATED_KINDS: Sequence[tuple[str, str, str, str, str]] = (
    (
        "cilium.io/v2",
        "CiliumLoadBalancerIPPool",
        "blocks",
        '{{start: "{0}", stop: "{1}"}}',
        "cidr: fd00:1::/64",
    ),
    ("cilium.io/v2", "CiliumCIDRGroup", "externalCIDRs", '"{0}/68"', "10.0.0.0/8 # ours"),
    ("metallb.io/v1beta1", "IPAddressPool", "addresses", "'{0}-{1}'", "192.0.2.1-192.0.2.9"),
)


def annotated(document: Document, _: str) -> None:
    """A document of its own, of a kind that its annotations bind."""
    api, kind, name, ours, theirs = document.rng.choice(ANNOTATED_KINDS)
    texts = [
        ANNOTATED.format(
            api=api,
            kind=kind,
            field=f"{name}:",
            comment="é中 2001:db8:a::1",
            theirs=theirs,
            ours=ours.format(address(network, 0xF << 60), address(network, (1 << 64) - 1)),
        )
        for network in document.networks
    ]
    document.add("---")
    for line, other in zip(*(text.splitlines() for text in texts), strict=True):
        document.add(line, other)
    document.add("---")


def make(rng: random.Random, networks: tuple[int, int], host: int) -> Document:
    """A document of one to seven fields."""
    document = Document(rng, networks, host)
    if rng.random() < 0.2:
        document.add("---")
    for number in range(rng.randrange(1, 8)):
        if rng.random() < 0.2:
            document.add(rng.choice(("# 2001:db8:a::1", "#", "# é中")))
        rng.choice(MAKERS)(document, f"key{number}")
    return document
