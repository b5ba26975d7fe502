"""The text of a marker, `NAME[:RANGE-OR-SUBNET]:FIELD[:HOST]`, and its values in a prefix."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gitops_prefix.decide.fields import nearest
from gitops_prefix.decide.prefix import (
    PlacedRange,
    Prefix,
    check_suffix,
    format_address,
    parse_address,
)
from gitops_prefix.decide.specification import (
    Placed,
    Reference,
    Specification,
    networks_of,
    prefix_around,
)
from gitops_prefix.decide.status import Status
from gitops_prefix.render.address_text import hextets, placed_cidrs, placed_ends, range_text

WITH_HOST = ("address", "addresses")
REWRITE = "rewrite"
LISTS = ("cidrs", "all-cidrs", "addresses")
"""Fields with several values."""
FIELDS = (
    *("prefix", "network", "start", "end", "cidr", "cidrs", "all-cidrs", "range"),
    *WITH_HOST,
    REWRITE,
)
_PAST_TOO = ("all-cidrs", "addresses")
_SERVICE = re.compile(r"@([a-z0-9][-a-z0-9]*)/([a-z0-9][-.:\w\[\]]*)")
_OF_THE_PREFIX = ("prefix", "network")
_SHAPE = "NAME[:RANGE-OR-SUBNET]:FIELD[:HOST]"


class MarkerError(ValueError):
    """A marker that is wrong, or has no value in a prefix.

    Attributes:
        code: of the problem to report.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Marker(NamedTuple):
    """A checked marker.

    Attributes:
        field: one of FIELDS.
        host: the host part for `address` and `addresses`, else None.
        service: namespace and name of the Service whose host part is meant.
    """

    reference: Reference
    field: str
    host: int | None = None
    service: tuple[str, str] | None = None

    def values(self, specification: Specification, status: Status) -> tuple[str, ...]:
        """The values of the field: one value, or more for those in LISTS.

        Raises:
            MarkerError: the status has no such value.
        """
        reference = self.reference
        if self.field in _OF_THE_PREFIX and not reference.subnet:
            # A range has no prefix of its own: the prefix or subnet around it is meant.
            reference = _around(reference, specification)
        placed = reference.placed(specification, status)
        networks = status.prefixes
        if placed and isinstance(placed[0], PlacedRange):
            networks = networks_of(placed[0], specification, status)
        if self.field not in _PAST_TOO:
            placed = placed[:1]
        # Two links of one delegation have one subnet.
        values = (value for part in placed for value in self._values(part, networks))
        return tuple(dict.fromkeys(values))

    def _values(self, placed: Placed, networks: Sequence[Prefix]) -> tuple[str, ...]:
        if self.host is not None:
            return (format_address(_address(placed, self.host, networks)),)
        match self.field:
            case "start":
                return (format_address(placed_ends(placed)[0]),)
            case "end":
                return (format_address(placed_ends(placed)[1]),)
            case "range":
                return (range_text(placed),)
            case "network":
                return (_whole_hextets(placed_cidrs(placed)[0]),)
        cidrs = placed_cidrs(placed)
        if self.field == "cidr" and len(cidrs) > 1:
            message = f"{self.reference.address_range} is {len(cidrs)} CIDRs, not one: use cidrs"
            raise MarkerError("not-one-cidr", message)
        return tuple(map(str, cidrs))


def parse_marker(text: str, specifications: Mapping[str, Specification]) -> Marker:
    """Read the text of a marker.

    A host part has colons of its own, as in `home:loadbalancers:address:::f000:0:0:10`.

    Raises:
        MarkerError: the text does not follow the grammar, or names an unknown part.
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
    if part and field == REWRITE:
        message = f'rewrite moves every address of {name}: remove ":{part}"'
        raise MarkerError("marker-field", message)
    if part:
        reference = _part(specification, part)
    if len(words) > 1 and not host and field not in WITH_HOST:
        raise MarkerError("marker-field", f'{field} takes no HOST: remove the last ":"')
    service = _SERVICE.fullmatch(host) if field in WITH_HOST else None
    if service is not None:
        return Marker(reference, field, service=(service[1], service[2]))
    return Marker(reference, field, _host(field, host))


def _part(specification: Specification, part: str) -> Reference:
    ranges = [address_range.name for address_range in specification.ranges]
    subnets = [subnet.name for subnet in specification.subnets]
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
        message = (
            f'{error}: a HOST is a host part, as in {field}:::10 for "::10", or the Service that '
            f"has it, as in {field}:@media/plex"
        )
        raise MarkerError("marker-host", message) from error


def _unknown(code: str, what: str, written: str, known: list[str]) -> MarkerError:
    there = ", ".join(known) or "none"
    return MarkerError(
        code, f'there is no {what} "{written}" (there is: {there}){nearest(written, known)}'
    )


def _around(reference: Reference, specification: Specification) -> Reference:
    for named in specification.ranges:
        if named.name == reference.address_range and named.subnet:
            return Reference(reference.dynamic_prefix, subnet=named.subnet.name)
    return Reference(reference.dynamic_prefix)


def _address(placed: Placed, host: int, networks: Sequence[Prefix]) -> int:
    if isinstance(placed, PlacedRange):
        prefix = prefix_around(placed, networks)
    else:
        prefix = placed_cidrs(placed)[0]
    try:
        check_suffix(host, prefix.length)
    except ValueError as error:
        raise MarkerError("marker-host", str(error)) from error
    host_address = prefix.network + host
    start, end = placed_ends(placed)
    if not start <= host_address <= end:
        first, last = (format_address(address - prefix.network) for address in (start, end))
        message = f"HOST {format_address(host)} lies outside the range, {first} to {last}"
        raise MarkerError("marker-host", message)
    return host_address


def _whole_hextets(prefix: Prefix) -> str:
    if prefix.length % 16:
        message = (
            f"network gives whole groups of 16 bits, and {prefix} ends inside of one: use prefix"
        )
        raise MarkerError("no-whole-network", message)
    return hextets(prefix)
