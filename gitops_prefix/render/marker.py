"""What a marker asks for: `NAME[:RANGE-OR-SUBNET]:FIELD[:HOST]`, and its values in a prefix."""

from collections.abc import Mapping
from dataclasses import dataclass

from gitops_prefix.decide.address import BITS, format_address, parse_address
from gitops_prefix.decide.address_range import PlacedRange
from gitops_prefix.decide.fields import nearest
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.reference import Placed, Reference
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.decide.subnet import PlacedSubnet
from gitops_prefix.decide.suffix import check_suffix

WITH_HOST = ("address", "addresses")
FIELDS = ("prefix", "network", "start", "end", "cidr", "cidrs", "range", *WITH_HOST)
_OF_THE_PREFIX = ("prefix", "network")
_SHAPE = "NAME[:RANGE-OR-SUBNET]:FIELD[:HOST]"


class MarkerError(ValueError):
    """A marker that cannot be meant.

    Attributes:
        code: of the problem that it is.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Marker:
    """A checked marker.

    Attributes:
        field: one of FIELDS.
        host: the host part for `address` and `addresses`, else None.
    """

    reference: Reference
    field: str
    host: int | None = None

    def values(self, specification: Specification, status: Status) -> tuple[str, ...]:
        """What the field holds: one value, or more for `cidrs` and `addresses`.

        Raises:
            MarkerError: the status cannot give that.
        """
        reference = self.reference
        if self.field in _OF_THE_PREFIX and not reference.subnet:
            # A range has none of its own: it is the prefix that it lies in.
            reference = Reference(reference.dynamic_prefix)
        placed = reference.placed(specification, status)
        if self.field != "addresses":
            placed = placed[:1]
        return tuple(value for one in placed for value in self._values(one, status))

    def _values(self, placed: Placed, status: Status) -> tuple[str, ...]:
        if self.host is not None:
            return (format_address(_address(placed, self.host, status)),)
        start, end = _ends(placed)
        match self.field:
            case "start":
                return (format_address(start),)
            case "end":
                return (format_address(end),)
            case "range":
                return (f"{format_address(start)}-{format_address(end)}",)
            case "network":
                return (_hextets(_prefix(placed)),)
        cidrs = placed.cidrs if isinstance(placed, PlacedRange) else (_prefix(placed),)
        if self.field == "cidr" and len(cidrs) > 1:
            message = f"{self.reference.address_range} is {len(cidrs)} CIDRs, not one: use cidrs"
            raise MarkerError("not-one-cidr", message)
        return tuple(map(str, cidrs))


def parse_marker(text: str, specifications: Mapping[str, Specification]) -> Marker:
    """Read the text of a marker.

    A host part has colons of its own, as in `home:loadbalancers:address:::f000:0:0:10`.

    Raises:
        MarkerError: it is not of the grammar, or names what is not there.
    """
    name, *words = text.split(":")
    specification = specifications.get(name)
    if specification is None:
        raise _unknown("unknown-dynamic-prefix", "DynamicPrefix", name, [*specifications])
    has_part = not (words and words[0] in FIELDS) or (len(words) > 1 and words[1] in FIELDS)
    part, words = (words[0], words[1:]) if has_part and words else ("", words)
    if not words:
        message = f'"{text}" names no field: write {_SHAPE}, where FIELD is {", ".join(FIELDS)}'
        raise MarkerError("marker-field", message + nearest(part, FIELDS))
    field, host = words[0], ":".join(words[1:])
    if field not in FIELDS:
        raise _unknown("marker-field", "field", field, [*FIELDS])
    reference = Reference(name)
    if part:
        reference = _part(specification, part)
    if len(words) > 1 and not host and field not in WITH_HOST:
        raise MarkerError("marker-field", f'{field} is followed by nothing: remove the last ":"')
    return Marker(reference, field, _host(field, host))


def _part(specification: Specification, part: str) -> Reference:
    ranges = [one.name for one in specification.ranges]
    subnets = [one.name for one in specification.subnets]
    if part in ranges:
        return Reference(specification.name, address_range=part)
    if part in subnets:
        return Reference(specification.name, subnet=part)
    what = f"range or subnet of {specification.name}"
    raise _unknown("unknown-part", what, part, [*ranges, *subnets])


def _host(field: str, host: str) -> int | None:
    if field not in WITH_HOST:
        if host:
            raise MarkerError("marker-field", f'{field} takes no HOST: remove ":{host}"')
        return None
    if not host:
        message = f'{field} needs a HOST: write {field}:::f000:0:0:10 for "::f000:0:0:10"'
        raise MarkerError("marker-host", message)
    try:
        return parse_address(host)
    except ValueError as error:
        message = f'{error}: a HOST is a host part, as in {field}:::10 for "::10"'
        raise MarkerError("marker-host", message) from error


def _unknown(code: str, what: str, written: str, known: list[str]) -> MarkerError:
    there = ", ".join(known) or "none"
    return MarkerError(
        code, f'there is no {what} "{written}" (there is: {there}){nearest(written, known)}'
    )


def _ends(placed: Placed) -> tuple[int, int]:
    if isinstance(placed, PlacedRange):
        return placed.start, placed.end
    prefix = _prefix(placed)
    return prefix.network, prefix.last


def _prefix(placed: Placed) -> Prefix:
    if isinstance(placed, PlacedRange):
        raise TypeError("a range is no prefix")
    return placed.cidr if isinstance(placed, PlacedSubnet) else placed


def _address(placed: Placed, host: int, status: Status) -> int:
    if isinstance(placed, PlacedRange):
        inside = (p for p in status.prefixes if p.network <= placed.start <= p.last)
        prefix = next(inside, status.current)
    else:
        prefix = _prefix(placed)
    try:
        check_suffix(host, prefix.length)
    except ValueError as error:
        raise MarkerError("marker-host", str(error)) from error
    address = prefix.network + host
    start, end = _ends(placed)
    if not start <= address <= end:
        first, last = (format_address(one - prefix.network) for one in (start, end))
        message = f"HOST {format_address(host)} lies outside of the range, {first} to {last}"
        raise MarkerError("marker-host", message)
    return address


def _hextets(prefix: Prefix) -> str:
    if prefix.length % 16:
        message = (
            f"network gives whole groups of 16 bits, and {prefix} ends inside of one: use prefix"
        )
        raise MarkerError("no-whole-network", message)
    shifts = range(BITS - 16, BITS - prefix.length - 1, -16)
    return ":".join(f"{prefix.network >> shift & 0xFFFF:x}" for shift in shifts)
