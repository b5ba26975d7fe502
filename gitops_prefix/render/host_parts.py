"""The host part of every claim of a repository, and what is wrong with them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gitops_prefix.decide.address import format_address
from gitops_prefix.decide.service_address import (
    Assignment,
    Claim,
    Room,
    Rooms,
    assign,
    kept_host_part,
    room_of,
)
from gitops_prefix.decide.status import Status
from gitops_prefix.errors import Problem
from gitops_prefix.render.binding import Binding, Following
from gitops_prefix.render.reference import SUFFIX


@dataclass(frozen=True, slots=True)
class HostParts:
    """What each claim holds, by the statuses after and before."""

    after: Mapping[Claim, int] = field(default_factory=dict)
    before: Mapping[Claim, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def assign_host_parts(
    bindings: Iterable[Binding], followings: Mapping[str, Following]
) -> HostParts:
    """Assign them all at once: nobody may take what another one holds."""
    claiming = {one.claim: one for one in reversed([*bindings]) if one.claim is not None}
    claims = {
        claim: rooms
        for claim in claiming
        if (following := followings.get(claim.reference.dynamic_prefix)) is not None
        and (rooms := _rooms(claim, following)) is not None
    }
    assignment = assign(claims)
    before = {
        claim: host_part
        for claim, rooms in claims.items()
        if rooms.before is not None
        and (host_part := kept_host_part(claim, Rooms(rooms.before))) is not None
    }
    problems = tuple(_find_problems(assignment, claims, claiming))
    return HostParts(assignment.host_parts, before, problems)


def _rooms(claim: Claim, following: Following) -> Rooms | None:
    after = _room(claim, following, following.after)
    before = _room(claim, following, following.before) if following.before else None
    return Rooms(after, before) if after else None


def _room(claim: Claim, following: Following, status: Status) -> Room | None:
    return room_of(claim.reference, following.specification, status)


def _find_problems(
    assignment: Assignment, claims: Mapping[Claim, Rooms], claiming: Mapping[Claim, Binding]
) -> Iterator[Problem]:
    for first, second in assignment.taken:
        host_part = format_address(assignment.host_parts[second])
        message = (
            f"{_service(second)} and {_service(first)} ({claiming[first].place}) are both on host "
            f"part {host_part}: give one of them another {SUFFIX}, or both the same "
            "lbipam.cilium.io/sharing-key"
        )
        yield Problem("address-taken", message, claiming[second].place)
    for claim in assignment.outside:
        room = claims[claim].after
        message = (
            f"{_service(claim)}: {SUFFIX} {format_address(claim.suffix or 0)} lies outside "
            f"{_part(claim)}, which has {format_address(room.first)} to {format_address(room.last)}"
        )
        yield Problem("suffix-outside", message, claiming[claim].place)
    for claim in assignment.full:
        message = (
            f"{_service(claim)}: every address of {_part(claim)} is taken: widen it, or name "
            "another one"
        )
        yield Problem("range-full", message, claiming[claim].place)


def _service(claim: Claim) -> str:
    return f"Service {claim.namespace}/{claim.name}" if claim.namespace else f"Service {claim.name}"


def _part(claim: Claim) -> str:
    reference = claim.reference
    part = reference.address_range or reference.subnet
    return f"{part} of {reference.dynamic_prefix}" if part else reference.dynamic_prefix
