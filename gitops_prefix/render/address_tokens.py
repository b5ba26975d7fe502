"""The IPv6 addresses in any text, and their move from past prefixes to the current one.

Every form of RFC 4291 2.2 and RFC 5952 is an address, alone or in `[address]:port`, a URL,
a CIDR, `address/length`, or `first-last`; so is a name below ip6.arpa (RFC 3596 2.5).
One compiled pattern finds candidates, and a strict check follows. A part of a longer word
is never an address: a MAC address, a time, a C++ name, a label.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from heapq import merge
from typing import NamedTuple

from gitops_prefix.decide.prefix import BITS, Prefix
from gitops_prefix.render.source import Edit, splice

_GROUP = "[0-9a-fA-F]{1,4}"
_BEFORE = (r"(?<![\w.]{})", r"(?<=\.\.{})", r"(?<=\\[nrt]{})", r"(?<=%5[Bb]{})")
"""No part of a word; but `first..last`, an escape of JSON, and the `[` of an escaped URL may be."""
_ANY_FIRST = rf"(?:{'|'.join(_BEFORE).format(*[''] * 4)})(?:{_GROUP}(?=:)|(?=::))"
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_AFTER_OCTET = "(?:(?<=:[0-9])|(?<=:[1-9][0-9])|(?<=:1[0-9][0-9])|(?<=:2[0-4][0-9])|(?<=:25[0-5]))"
_REST = (
    # A lookahead does not backtrack, as `*+` would not: Python 3.11.2 of Debian reads that wrongly.
    rf"(?=(?P<rest>(?::{_GROUP})*(?:::(?:{_GROUP}(?::{_GROUP})*)?)?"
    rf"(?:{_AFTER_OCTET}(?:\.{_OCTET}){{3}})?))(?P=rest)"
    # Neither a word nor a further group may follow; a colon, a dot or a dash may.
    r"(?!\w|\.\w|:[0-9a-fA-F:]|-(?![0-9a-fA-F:.]+(?![\w-]))\w)"
)
_LENGTH = re.compile(r"(?:%[\w.-]+)?(\])?/([0-9]{1,3})(?![\w.])")
_ARPA = re.compile(r"[iI][pP]6\.[aA][rR][pP][aA](?![\w-]|\.[\w-])")
_NIBBLES = re.compile(r"(?:(?<![\w-])|(?<=\\[nrt]))(?:[0-9a-fA-F]\.)+\Z")
_LABEL = re.compile(r"(?<![\w.-])([\w.-]*):\Z")
_BEFORE_DASH = re.compile(
    r"(?:^|[^\w.:-]|\.\.|\\[nrt]|%5[Bb])(?:(?:[0-9a-fA-F]{0,4}:){2,}[0-9a-fA-F.]*(?:%[\w.]+)?\]?(?:/[0-9]{1,3})?)?-\Z"
    r"|\$\{\w+:?-\Z"
)
"""A dash of `first-last`, one that follows no word, or that of `${NAME:-default}`."""
_PADDED = re.compile(r"(?:^|:)0[0-9a-fA-F]")
_SHORT = re.compile(r"(?:^|:)(?:0|[1-9a-fA-F][0-9a-fA-F]{0,2})(?=:|\Z)")
_EUI_64 = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){7}")
_NAMES = re.compile("[a-fA-F]+::[a-fA-F]+")
_NAME = re.compile(r"(?=.*[g-zG-Z_])[a-zA-Z_.-]+[46]?")
_TAIL = "ffff:ffff"
_WINDOW = 2 * 33  # 32 nibbles with their dots, and one nibble too many.
_LONGEST_LABEL = 64
_BESIDE = r" \t\n\r\"'`\[({<=,;|@"
"""What may be in front of an address in its usual form."""
_BEFORE_LENGTH = {"/", "%", "]"}
_DIGITS = 4
_DIGIT = re.compile("[0-9]")
_LONGEST_USUAL = 112
"""At least one group of the host part is left."""
_LARGE = 64 * 1024
"""Characters; it does not pay for less."""


class AddressToken(NamedTuple):
    """An address in a text.

    Attributes:
        start: where the address begins, behind any bracket.
        end: where the address ends, before any zone, port or length.
        address: the address; the lowest one below a name of ip6.arpa.
        length: behind the slash, or of the nibbles of a name; None without a length.
        reverse: whether the token is the nibbles of a name below ip6.arpa.
    """

    start: int
    end: int
    address: int
    length: int | None = None
    reverse: bool = False

    def shifted(self, offset: int) -> "AddressToken":
        """The same token in a text that this one is a part of."""
        return self._replace(start=self.start + offset, end=self.end + offset)

    def lies_in(self, prefix: Prefix) -> bool:
        """Whether all of an address or CIDR lies in a prefix; of an interface, its address."""
        wider = self.length is not None and self.length < prefix.length
        return prefix.contains(self.address) and not (wider and self._is_network(self.address))

    def moved(self, base: Prefix, current: Prefix) -> int | None:
        """The same place in another prefix; None where the other prefix has no room for it."""
        host = self.address - base.network
        place = current.network + host
        if host >> BITS - current.length:
            return None
        return None if self._is_network(self.address) > self._is_network(place) else place

    def _is_network(self, address: int) -> bool:
        """Whether an address of this length has no host bits."""
        return self.length is not None and not address & (1 << BITS - self.length) - 1


class Moves(NamedTuple):
    """The edits that move the addresses of a text, and the addresses that stay.

    Attributes:
        edits: in the order of the text.
        ours: how many addresses lie in the current prefix already.
        stuck: addresses of a past prefix for which the current one has no room.
    """

    edits: tuple[Edit, ...]
    ours: int
    stuck: tuple[AddressToken, ...]


def find_tokens(text: str) -> Iterator[AddressToken]:
    """Every IPv6 address of a text, in order."""
    addresses = (_token(text, *span) for span in _candidates(text, _pattern(frozenset())))
    return merge((token for token in addresses if token is not None), _reverse_tokens(text))


def move(text: str, past: Sequence[Prefix], current: Prefix) -> str:
    """The text with each address of the past prefixes moved into the current one."""
    return splice(text, find_moves(text, past, current).edits)


def find_moves(text: str, past: Sequence[Prefix], current: Prefix) -> Moves:
    """The edits that move each address of the past prefixes into the current one.

    The host part stays, and so does the form: capital letters, leading zeros, zeros that are
    written out, a dotted tail. Zeros that were compressed by RFC 5952 are compressed again.
    """
    whole = _move_usual(text, past, current) if len(text) > _LARGE else None
    if whole is not None:
        return whole
    mover = _Mover((current, *past))
    for start, end in _candidates(text, mover.pattern):
        mover.move_address(text, start, end)
    if ".arpa" in text.lower():
        for token in _reverse_tokens(text):
            mover.move_token(text, token)
        mover.edits.sort()
    return Moves(tuple(mover.edits), mover.ours, tuple(mover.stuck))


def _move_usual(text: str, past: Sequence[Prefix], current: Prefix) -> Moves | None:
    """One edit for all of a large text in which every address has the usual form.

    `re` alone replaces the groups that change, as fast as sed does. The usual form is in small
    letters, without leading zeros, without a port, a zone or a dotted tail, between blanks or
    signs. None where anything else may be an address of a prefix: where the first group of one
    stands more often than an address of this form.
    """
    bases = (current, *past)
    if not past or any(base.length != current.length for base in bases):
        return None
    heads = [head for base in bases if (head := _Head.of(base)) is not None]
    if len(heads) < len(bases) or len({head.zeros for head in heads}) > 1:
        return None
    to, *texts = (head.text for head in heads)
    moved, found = _usual(texts, heads[0].zeros, current.length).subn(to, text)
    lowered = text.lower()
    firsts = {head.partition(":")[0] for head in (to, *texts)}
    ours = sum(lowered.count(f"{first}:") for first in firsts) - found
    if ours and ours != len(_usual([to], heads[0].zeros, current.length).findall(text)):
        return None
    if ".arpa" in lowered:
        return None
    return Moves((Edit(0, len(text), moved),) if found else (), ours, ())


class _Head(NamedTuple):
    """How every address of a prefix begins in the usual form.

    Attributes:
        text: its groups, and the digits of a group that is a part of it.
        zeros: how many groups of it are zero behind these; they may be in a `::`.
    """

    text: str
    zeros: int

    @classmethod
    def of(cls, base: Prefix) -> "_Head | None":
        """None where the addresses of a prefix begin in more than one way."""
        whole, part = divmod(base.length, 16)
        groups = _groups(base.network)
        shown = groups[:whole]
        while shown and not shown[-1] and not part:
            shown.pop()
        digits = [f"{group:x}" for group in shown]
        if part:
            # Behind a digit that is not zero each further digit is written.
            digits.append(f"{groups[whole] >> 16 - part:x}")
        text = ":".join(digits)
        is_usual = len(digits) > 1 and "0" not in digits and len(digits[0]) == _DIGITS
        # Letters and `::` alone are a name.
        if base.length > _LONGEST_USUAL or part % 4 or not is_usual or not _DIGIT.search(text):
            return None
        return cls(text, whole - len(shown) if not part else 0)


def _usual(heads: Sequence[str], zeros: int, length: int) -> re.Pattern[str]:
    """The head of an address in its usual form."""
    group, rest = "(?:0|[1-9a-f][0-9a-f]{0,3})", 8 - -(-length // 16)
    # Most host parts begin with zeros, so what begins with the gap is tried first.
    tails = [
        f"(?::{group}){{{before}}}::(?:{group}(?::{group}){{0,{rest - before - 2}}})?"
        for before in range(rest - 1)
    ]
    tails += [f"(?::{group}){{{rest - 1}}}::", f"(?::{group}){{{rest}}}"]
    written = f"{':0' * zeros}(?:{'|'.join(tails)})"
    if zeros:
        written += f"|::(?:{group}(?::{group}){{0,{rest - 1}}})?"
    if length % 16:
        written = f"[0-9a-f]{{{4 - length % 16 // 4}}}(?:{written})"
    # `re` searches for what all heads begin with as plain text.
    same = [len(set(column)) == 1 for column in zip(*heads, strict=False)]
    common = heads[0][: [*same, False].index(False)]
    beside = f"(?<![^{_BESIDE}]{common})"
    ends = "|".join(head.removeprefix(common) for head in heads)
    # A length that is not shorter than the prefix's says nothing about the move.
    lengths = "|".join(map(str, range(length, BITS + 1)))
    behind = rf"[\w:%-]|\.\w|/(?!(?:{lengths})(?![\w.]))|\]/"
    return re.compile(rf"{common}{beside}(?:{ends})(?=(?:{written})(?!{behind}))")


class _Mover:
    """Collects the edits; most addresses of a file have one of few heads."""

    def __init__(self, bases: Sequence[Prefix]) -> None:
        """Move what lies in one of the bases into the first one."""
        self.edits: list[Edit] = []
        self.stuck: list[AddressToken] = []
        self.ours = 0
        self._bases = bases
        self._current = bases[0]
        self._reach = -(-max(base.length for base in bases) // 16)
        shortest = min(base.length for base in bases)
        firsts = frozenset(base.network >> BITS - 16 for base in bases)
        usable = shortest >= 16 and min(firsts) >= 0x1000
        self.pattern = _pattern(firsts if usable else frozenset())
        self._heads: dict[tuple[str, _Form], str | None] = {}

    def move_address(self, text: str, start: int, end: int) -> None:
        """Move a candidate, by its head alone where the rest cannot change."""
        written = text[start:end]
        head = self._head(written) if text[end : end + 1] not in _BEFORE_LENGTH else ""
        if head:
            key = head, _Form.of(written)
            if key not in self._heads:
                self._heads[key] = self._moved_head(*key)
            moved = self._heads[key]
            if moved is not None:
                if moved == head:
                    self.ours += 1
                else:
                    self.edits.append(Edit(start, start + len(head), moved))
                return
        token = _token(text, start, end)
        if token is not None:
            self.move_token(text, token)

    def move_token(self, text: str, token: AddressToken) -> None:
        """Move one address."""
        base = next((base for base in self._bases if token.lies_in(base)), None)
        if base is None:
            return
        if base == self._current:
            self.ours += 1
            return
        place = token.moved(base, self._current)
        if place is None:
            self.stuck.append(token)
            return
        written = text[token.start : token.end]
        new = _nibbles(written, place) if token.reverse else _rewritten(written, place)
        self.edits.append(Edit(token.start, token.end, new))

    def _head(self, written: str) -> str:
        """The groups that a move may change; empty where more than these may change."""
        if "." in written:
            return ""
        left, gap, right = written.partition("::")
        groups = left.split(":", self._reach)
        if len(groups) > self._reach:
            return ":".join(groups[:-1])
        zeros_to = 8 - (right.count(":") + 1 if right else 0)
        return left if gap and zeros_to >= self._reach else ""

    def _moved_head(self, head: str, form: "_Form") -> str | None:
        """The groups in the current prefix; None where the zeros behind them change, too."""
        texts = head.split(":")
        groups = [int(text, 16) for text in texts]
        padded = groups + [0] * (8 - len(groups))
        token = AddressToken(0, 0, _number(padded))
        base = next((base for base in self._bases if token.lies_in(base)), None)
        place = token.moved(base, self._current) if base is not None else None
        if place is None:
            return None
        after = _groups(place)
        if [not group for group in after] != [not group for group in padded]:
            return None
        return ":".join(
            text if old == new else form.group(new, text)
            for text, old, new in zip(texts, groups, after, strict=False)
        )


@lru_cache(maxsize=64)
def _pattern(firsts: frozenset[int]) -> re.Pattern[str]:
    """What an address looks like that begins with one of these groups; without one, any."""
    if not firsts:
        return re.compile(_ANY_FIRST + _REST)
    spelled = ["".join(map(_either_case, f"{first:x}")) for first in sorted(firsts)]
    # The group comes first, so that `re` searches for its digits as plain text.
    first = "|".join(
        f"{group}(?:{'|'.join(before.format(group) for before in _BEFORE)})" for group in spelled
    )
    return re.compile(f"(?:{first})(?=:){_REST}")


def _either_case(digit: str) -> str:
    return digit if digit.isdigit() else f"[{digit}{digit.upper()}]"


def _candidates(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Where an address of eight groups is, as a whole word."""
    for match in pattern.finditer(text):
        start, end = match.span()
        written = match[0]
        colons = written.count(":") + ("." in written)
        if "::" not in written:
            whole = colons == 7
        else:
            # A gap at an end has a colon more than a gap between groups.
            whole = colons <= 7 + (written[:2] == "::" or written[-2:] == "::")
        if whole and (text[start - 1 : start] not in {":", "-"} or _begins_word(text, start)):
            yield start, end


def _begins_word(text: str, start: int) -> bool:
    """Whether a colon or a dash in front belongs to something else: `ip6:`, `first-last`."""
    window = text[max(0, start - _LONGEST_LABEL) : start]
    label = _LABEL.search(window)
    if label is not None:
        return _NAME.fullmatch(label[1]) is not None
    return _BEFORE_DASH.search(window) is not None


def _token(text: str, start: int, end: int) -> AddressToken | None:
    """The address of a candidate; None for a name of letters, or an EUI-64."""
    written = text[start:end]
    if _EUI_64.fullmatch(written) or _NAMES.fullmatch(written):
        return None
    groups = _read_groups(written)
    length = _LENGTH.match(text, end)
    # Behind the bracket of a URL a path begins: `https://[::1]/64`.
    in_path = length is not None and length[1] and text[start - 2 : start - 1] in {"/", "@"}
    if length is not None and not in_path and int(length[2]) <= BITS:
        return AddressToken(start, end, _number(groups), int(length[2]))
    return AddressToken(start, end, _number(groups))


def _read_groups(written: str) -> list[int]:
    if "." in written:
        colon = written.rindex(":") + 1
        octets = [int(octet) for octet in written[colon:].split(".")]
        high, low = octets[0] << 8 | octets[1], octets[2] << 8 | octets[3]
        written = f"{written[:colon]}{high:x}:{low:x}"
    left, gap, right = written.partition("::")
    first = [int(group, 16) for group in left.split(":")] if left else []
    last = [int(group, 16) for group in right.split(":")] if right else []
    return first + [0] * (8 - len(first) - len(last)) + last if gap else first


def _number(groups: Sequence[int]) -> int:
    number = 0
    for group in groups:
        number = number << 16 | group
    return number


def _groups(address: int) -> list[int]:
    return [address >> shift & 0xFFFF for shift in range(112, -1, -16)]


def _reverse_tokens(text: str) -> Iterator[AddressToken]:
    """The nibbles in front of each `ip6.arpa`, the lowest one first."""
    for match in _ARPA.finditer(text):
        window = max(0, match.start() - _WINDOW)
        found = _NIBBLES.search(text[window : match.start()])
        if found is None or len(found[0]) == _WINDOW:
            continue
        digits = found[0].replace(".", "")[::-1]
        length = 4 * len(digits)
        address = int(digits, 16) << BITS - length
        yield AddressToken(window + found.start(), match.start() - 1, address, length, reverse=True)


def _nibbles(written: str, address: int) -> str:
    """The nibbles of another address, as many as were written, in capitals if these were."""
    count = len(written) // 2 + 1
    moved = ".".join(f"{address:032x}"[:count][::-1])
    return moved if written == written.lower() else moved.upper()


def _rewritten(written: str, address: int) -> str:
    """Another address in the form of `written`."""
    if "." not in written:
        return _regrouped(written, address)
    tail = written.rindex(":") + 1
    octets = ".".join(str(address >> shift & 0xFF) for shift in (24, 16, 8, 0))
    # Two groups take the place of the dotted tail: they are no zeros, and stay.
    marked = _regrouped(
        written[:tail] + _TAIL, address >> 32 << 32 | int(_TAIL.replace(":", ""), 16)
    )
    return marked.removesuffix(_TAIL) + octets


def _regrouped(written: str, address: int) -> str:
    form = _Form.of(written)
    before, after = _read_groups(written), _groups(address)
    left, gap, right = written.partition("::")
    if (gap or not form.padded) and form.compressed(before) == written:
        return form.compressed(after)
    first, last = left.split(":") if left else [], right.split(":") if right else []
    texts = [*first, *[""] * (8 - len(first) - len(last)), *last] if gap else first
    texts = [
        text if old == new else form.group(new, text)
        for text, old, new in zip(texts, before, after, strict=True)
    ]
    # What is zero now, and beside a gap, joins it; the prefix is left of the gap.
    for index in reversed(range(7)):
        if before[index] and not after[index] and not texts[index + 1]:
            texts[index] = ""
    # What was a gap and is not zero now is written out, with the zeros around it.
    begin, end = _longest_run(texts, "", least=1)
    return _joined([text or form.group(0) for text in texts], begin, end)


def _joined(groups: Sequence[str], begin: int, end: int) -> str:
    """The groups, with `::` for a stretch of them that is not empty."""
    if begin == end:
        return ":".join(groups)
    return f"{':'.join(groups[:begin])}::{':'.join(groups[end:])}"


class _Form(NamedTuple):
    """How groups are written: in capitals, and with leading zeros."""

    capital: bool
    padded: bool

    @classmethod
    def of(cls, written: str) -> "_Form":
        """The form of an address; a short group shows that zeros were not written as a rule."""
        padded = _PADDED.search(written) is not None and _SHORT.search(written) is None
        return cls(written != written.lower(), padded)

    def group(self, value: int, old: str = "") -> str:
        """One group, in the place of an old one."""
        width = len(old) if old[:1] == "0" else _DIGITS if self.padded else 1
        text = f"{value:0{width}x}"
        return text.upper() if self.capital else text

    def compressed(self, groups: Sequence[int]) -> str:
        """An address with `::` for its longest zeros (RFC 5952 4.2)."""
        return _joined([*map(self.group, groups)], *_longest_run(groups, 0, least=2))


def _longest_run(values: Sequence[object], value: object, *, least: int) -> tuple[int, int]:
    """Where the longest run of a value is, the first of equals; an empty stretch without one."""
    begin, found = 0, (0, 0)
    for index, current in enumerate(values):
        begin = begin if current == value else index + 1
        if index + 1 - begin > found[1] - found[0]:
            found = begin, index + 1
    return found if found[1] - found[0] >= least else (0, 0)
