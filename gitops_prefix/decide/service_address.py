"""Which host part a Service keeps for good, while the prefix in front of it changes.

It comes from, in order: its own suffix; the address it has already, when that lies
inside its range in the current or a past prefix; a stable hash of its name into the
range, past the host parts that others hold (docs/services.md).
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from gitops_prefix.decide.prefix import BITS, PlacedRange, PlacedSubnet, Prefix
from gitops_prefix.decide.specification import (
    Placed,
    Reference,
    Specification,
    networks_of,
    prefix_around,
)
from gitops_prefix.decide.status import Status


@dataclass(frozen=True, slots=True)
class Room:
    """The host parts that a reference offers, and what stands in front of them.

    Attributes:
        networks: what a host part is added to: in the current prefix, then in each
            past one, newest first.
        first: lowest host part, included.
        last: highest one, included.
    """

    networks: tuple[int, ...]
    first: int
    last: int

    def __contains__(self, host_part: int) -> bool:
        return self.first <= host_part <= self.last

    def host_part(self, address: int, networks: Sequence[int] | None = None) -> int | None:
        """The host part of an address in one of the networks, or None when it is in none."""
        for network in self.networks if networks is None else networks:
            if address - network in self:
                return address - network
        return None

    def addresses(self, host_part: int) -> tuple[int, ...]:
        """A host part's addresses: the current one, then the past ones."""
        return tuple(network + host_part for network in self.networks)


def room_of(reference: Reference, specification: Specification, status: Status) -> Room | None:
    """The room of a reference in a status; None when the status lacks it."""
    placed = reference.placed(specification, status)
    if not placed:
        return None
    first_part = placed[0]
    networks = status.prefixes
    if isinstance(first_part, PlacedRange):
        networks = networks_of(first_part, specification, status)
    ends = [_ends(part, networks) for part in placed]
    _, first, last = ends[0]
    # Two links of one delegation have one subnet.
    return Room(tuple(dict.fromkeys(network for network, _, _ in ends)), first, last)


def _ends(placed: Placed, prefixes: tuple[Prefix, ...]) -> tuple[int, int, int]:
    """Network, first and last host part of one placed reference."""
    if isinstance(placed, PlacedRange):
        network = prefix_around(placed, prefixes).network
        return network, placed.start - network, placed.end - network
    prefix = placed.cidr if isinstance(placed, PlacedSubnet) else placed
    # Host part 0 is the subnet-router anycast address (RFC 4291 2.6.1).
    return prefix.network, 1, (1 << (BITS - prefix.length)) - 1


class Holder(NamedTuple):
    """What in the repository holds a host part.

    Attributes:
        document: the object, or the place of the document where it names none.
        place: the part of the document that makes a Service; empty for all of it.
    """

    document: str
    place: str = ""


class Exposure(NamedTuple):
    """What decides whether a load balancer puts two Services on one address.

    metallb.io, "IP address sharing"; Cilium's `isCompatible` in operator/pkg/lbipam.

    Attributes:
        tenant: the namespace, or the directory where something else adds the namespace.
        partners: further namespaces that may share, `*` for all.
        ports: numbers with their protocols; empty when they are not known.
        policy: the traffic policy, with the pods where it counts who they are.
    """

    tenant: str = ""
    partners: frozenset[str] = frozenset()
    ports: frozenset[tuple[str, int]] = frozenset()
    policy: str = ""

    def fits(self, other: "Exposure") -> bool:
        """Whether nothing that is known keeps two Services from one address."""
        return (
            (
                self.tenant == other.tenant
                or (self.admits(other.tenant) and other.admits(self.tenant))
            )
            and self.ports.isdisjoint(other.ports)
            and self.policy == other.policy
        )

    def admits(self, tenant: str) -> bool:
        """Whether it shares with another namespace."""
        return not self.partners.isdisjoint({"*", tenant})


class Claim(NamedTuple):
    """A Service that wants a host part, or a marker that names one.

    Attributes:
        document: distinguishes two documents of one name.
        suffix: the host part that its author wrote, or None.
        addresses: the IPv6 addresses that it lists already, in their order.
        sharing_key: Services with the same one may be on one address; empty for no key.
        owner: of a marker, or of a Service beside markers.
        marked: whether it is a marker's.
        exposure: decides, beside the sharing key, who shares an address with it.
    """

    namespace: str
    name: str
    reference: Reference
    document: str
    suffix: int | None = None
    addresses: tuple[int, ...] = ()
    sharing_key: str = ""
    owner: Holder = Holder("")
    marked: bool = False
    exposure: Exposure = Exposure()

    @property
    def mentions(self) -> bool:
        """Whether it is a marker that takes what another Service has."""
        return self.marked and self.suffix is None

    def is_same_service(self, other: "Claim") -> bool:
        """Whether both mean one object: a base and its overlay, say.

        Without a namespace nobody knows: Flux and kustomize put it there later.
        """
        return bool(self.namespace) and (self.namespace, self.name) == (
            other.namespace,
            other.name,
        )

    def shares_with(self, other: "Claim") -> bool:
        """Whether both may hold one address."""
        return self._has_key_of(other) or self.is_same_service(other) or self._is_beside(other)

    def may_join(self, other: "Claim") -> bool:
        """Whether a load balancer would put both on one address."""
        return self._has_key_of(other) and self.exposure.fits(other.exposure)

    def _has_key_of(self, other: "Claim") -> bool:
        return bool(self.sharing_key) and self.sharing_key == other.sharing_key

    def _is_beside(self, other: "Claim") -> bool:
        """Whether a marker repeats the host part of its own document."""
        if not (self.marked or other.marked) or self.owner.document != other.owner.document:
            return False
        places = {self.owner.place, other.owner.place}
        return len(places) == 1 or "" in places


class Rooms(NamedTuple):
    """A claim's room after a change, and before it, if there was one."""

    after: Room
    before: Room | None = None

    @property
    def networks(self) -> tuple[int, ...]:
        """Current and past, of both."""
        before = self.before.networks if self.before else ()
        return tuple(dict.fromkeys((*self.after.networks, *before)))


class Assignment(NamedTuple):
    """Who holds which host part.

    Attributes:
        taken: pairs that hold one address and may not, in a stable order.
        apart: pairs that have one sharing key and hold two addresses already.
        outside: claims whose suffix lies outside their room.
        full: claims for which no host part is left.
    """

    host_parts: Mapping[Claim, int] = {}
    taken: tuple[tuple[Claim, Claim], ...] = ()
    apart: tuple[tuple[Claim, Claim], ...] = ()
    outside: tuple[Claim, ...] = ()
    full: tuple[Claim, ...] = ()


def assign(claims: Mapping[Claim, Rooms]) -> Assignment:
    """Give every claim its host part, whatever order they come in.

    * What a suffix, a marker or an address says is held for good.
    * A Service that is written down twice is one.
    * A Service with a sharing key takes the host part of those that it may share with.
    * The others take the host part that their name hashes to, or the next free one.
    * A marker that mentions a Service takes what that one has, or would be given.
    """
    ordered = sorted(
        claims, key=lambda claim: (claim.mentions, claim.namespace, claim.name, claim.document)
    )
    held = {
        claim: kept
        for claim in ordered
        if (kept := kept_host_part(claim, claims[claim])) is not None
    }
    apart = tuple(_find_apart(held, claims))
    outside = tuple(
        claim
        for claim, host_part in held.items()
        if claim.suffix is not None and not claim.marked and host_part not in claims[claim].after
    )
    # What somebody lists as a foreign entry is in use as well.
    used = {address for claim in ordered for address in claim.addresses}
    used |= {claims[claim].after.networks[0] + host_part for claim, host_part in held.items()}
    full = []
    for claim in ordered:
        if claim in held:
            continue
        room = claims[claim].after
        if claim.mentions:
            found = _mentioned(claim, held, claims)
        else:
            found = _of_the_same_service(claim, held, claims)
        if found is None and claim.sharing_key:
            found = _of_the_sharing_key(claim, held, claims)
        if found is None:
            found = _free(claim, room, used)
        if found is None:
            full.append(claim)
        else:
            held[claim] = found
            used.add(room.networks[0] + found)
    holders = _holders(ordered, held, claims)
    taken = tuple(pair for group in holders.values() for pair in _strangers(group))
    return Assignment(held, taken, apart, outside, tuple(full))


def kept_host_part(claim: Claim, rooms: Rooms) -> int | None:
    """The host part that a claim has already: its suffix, or its address's."""
    if claim.suffix is not None:
        return claim.suffix
    for address in claim.addresses:
        found = rooms.after.host_part(address, rooms.networks)
        if found is not None:
            return found
    return None


def _strangers(claims: Sequence[Claim]) -> Iterator[tuple[Claim, Claim]]:
    """Each claim that may not share with an earlier one, beside that one."""
    for number, claim in enumerate(claims):
        other = next(
            (earlier for earlier in claims[:number] if not earlier.shares_with(claim)), None
        )
        if other is not None:
            yield other, claim


def _of_the_same_service(
    claim: Claim, held: Mapping[Claim, int], claims: Mapping[Claim, Rooms]
) -> int | None:
    """What another document of the same Service holds, where that is in the room of this one."""
    room = claims[claim].after
    for known, host_part in held.items():
        near = claims[known].after.networks[0] == room.networks[0] and host_part in room
        if near and known.is_same_service(claim):
            return host_part
    return None


def _holders(
    ordered: Iterable[Claim], held: Mapping[Claim, int], claims: Mapping[Claim, Rooms]
) -> dict[int, list[Claim]]:
    """Who holds each address."""
    holders: dict[int, list[Claim]] = {}
    for claim in filter(held.__contains__, ordered):
        if not claim.mentions:
            holders.setdefault(claims[claim].after.networks[0] + held[claim], []).append(claim)
    return holders


def _of_the_sharing_key(
    claim: Claim, held: Mapping[Claim, int], claims: Mapping[Claim, Rooms]
) -> int | None:
    """The first host part in the room of a claim whose holders all share with it."""
    room = claims[claim].after
    for address, group in _holders(held, held, claims).items():
        if address - room.networks[0] in room and all(map(claim.may_join, group)):
            return address - room.networks[0]
    return None


def _find_apart(
    held: Mapping[Claim, int], claims: Mapping[Claim, Rooms]
) -> Iterator[tuple[Claim, Claim]]:
    """Of two addresses whose holders might all share one: a holder of each.

    Two suffixes are their author's decision.
    """
    holders = _holders(held, held, claims)
    for own, group in holders.items():
        claim, room = group[0], claims[group[0]].after
        earlier = itertools.takewhile(own.__ne__, holders) if claim.sharing_key else ()
        for address in earlier:
            others = holders[address]
            decided = claim.suffix is not None and others[0].suffix is not None
            inside = address - room.networks[0] in room
            if (
                inside
                and not decided
                and all(itertools.starmap(Claim.may_join, itertools.product(group, others)))
            ):
                yield others[0], claim
                break


def _mentioned(
    claim: Claim, held: Mapping[Claim, int], claims: Mapping[Claim, Rooms]
) -> int | None:
    """What the Service holds that a marker mentions.

    Flux and kustomize may add the namespace of a Service later, so one without counts after
    one with the namespace that is meant.
    """
    network = claims[claim].after.networks[0]
    services = {
        (known.namespace, known.name): host_part
        for known, host_part in reversed([*held.items()])
        if known.name and claims[known].after.networks[0] == network
    }
    of_all = services.get(("", claim.name))
    return services.get((claim.namespace, claim.name), of_all)


def _free(claim: Claim, room: Room, used: set[int]) -> int | None:
    """The host part that the name hashes to, or the next free one behind it."""
    from hashlib import sha256  # noqa: PLC0415  loads OpenSSL, and most repositories need none

    size = room.last - room.first + 1
    digest = sha256(f"{claim.namespace}/{claim.name}".encode()).digest()
    start = int.from_bytes(digest) % size
    for step in range(min(size, len(used) + 1)):
        host_part = room.first + (start + step) % size
        if room.networks[0] + host_part not in used:
            return host_part
    return None


class Several(NamedTuple):
    """More than one host part in one prefix, as addresses."""

    addresses: tuple[int, ...]


class Outside(NamedTuple):
    """An address in one of the prefixes, where the room is not."""

    address: int


class Nowhere(NamedTuple):
    """No address in any of the prefixes."""


Present: TypeAlias = int | Several | Outside | Nowhere


def present_host_part(addresses: Sequence[int], room: Room, prefixes: Sequence[Prefix]) -> Present:
    """The host part of a Service's addresses, or why there is none.

    Args:
        addresses: that it holds, of any kind.
        room: what its reference offers.
        prefixes: current, then past; a room may be a small part of them.
    """
    for network in room.networks:
        found = tuple(dict.fromkeys(address for address in addresses if address - network in room))
        if len(found) == 1:
            return found[0] - network
        if found:
            return Several(found)
    inside = (
        address
        for prefix in prefixes
        for address in addresses
        if prefix.network <= address <= prefix.last
    )
    return next((Outside(address) for address in inside), Nowhere())
