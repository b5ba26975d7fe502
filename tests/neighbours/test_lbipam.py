"""Cilium's own LB-IPAM acts on what we render: who holds which address after each change.

The proof is the status of the Services. The same scenarios run against the stand-in.
"""

from ipaddress import ip_address, ip_network

from gitops_prefix.decide.prefix import Prefix
from tests.neighbours.load_balancers import lb_ipam, lb_ipam_stand_in
from tests.neighbours.place import (
    BLOCKS,
    HA,
    Place,
    both,
    following,
    never_without,
    of_one_key,
    service,
    share_one_address,
)
from tests.parts import require
from tests.render.repository import PREFIX, A, B, C

D = Prefix.parse("2001:db8:d::/64")
SERVICES = 20
NAMES = [f"s{number:02}" for number in range(SERVICES)]
NEIGHBOURS = both(lb_ipam, lb_ipam_stand_in)


def needs(started) -> None:
    require("lbipam" if started is lb_ipam else "cluster")


def settles(place: Place, neighbour, expected: dict[str, int]) -> None:
    place.settles_on(neighbour, expected, A, B, C, D)


def add(place: Place, *names: str) -> None:
    made = (service(place.namespace, name, ipFamilyPolicy="PreferDualStack") for name in names)
    place.cluster.apply(*made)


def ipv4(place: Place) -> dict[str, list[str]]:
    held = place.held().items()
    return {name: [text for text in texts if "." in text] for name, texts in held if name in NAMES}


def always_had_ipv6(states) -> bool:
    """Whoever had IPv6 once, has it in every later state."""
    return never_without(states, lambda held: any(":" in text for text in held))


def addresses_after_a_restart(place: Place, neighbour, held) -> tuple[str, ...]:
    """What a new Service gets; all others keep what they held."""
    add(place, "restarted")
    place.settles(neighbour, lambda: place.held().get("restarted"), lambda: "no address")
    after = place.held()
    found = after.pop("restarted")
    assert after == held
    return found


@NEIGHBOURS
def test_simple_reaches_the_current_prefix(neighbourhood, space, tmp_path, started):
    """A, B, A, C, D: old Services keep what they have, new ones get the current prefix.

    At pruning all move to the current one. IPv4 stays, and a restart changes nothing.
    """
    needs(started)
    place = Place(neighbourhood, space, {"home.yaml": PREFIX.decode(), "pool.yaml": BLOCKS})

    def renumber(prefix: Prefix) -> None:
        place.renumber(prefix)
        place.apply()

    with started(place, tmp_path / "log") as neighbour:
        renumber(A)
        add(place, *NAMES)
        settles(place, neighbour, {str(A): SERVICES, "IPv4": SERVICES})
        before = ipv4(place)
        with place.every_state() as states:
            renumber(B)
            add(place, "new-b")
            settles(place, neighbour, {str(A): SERVICES, str(B): 1, "IPv4": SERVICES + 1})
            renumber(A)
            add(place, "new-a")
            settles(place, neighbour, {str(A): SERVICES + 1, str(B): 1, "IPv4": SERVICES + 2})
            renumber(C)
            add(place, "new-c")
            settles(
                place, neighbour, {str(A): SERVICES + 1, str(B): 1, str(C): 1, "IPv4": SERVICES + 3}
            )
            renumber(D)  # B leaves the history
            add(place, "new-d")
            settles(
                place, neighbour, {str(A): SERVICES + 1, str(C): 1, str(D): 2, "IPv4": SERVICES + 4}
            )
        assert always_had_ipv6(states)
        assert ipv4(place) == before
        held = place.held()
    with started(place, tmp_path / "again") as neighbour:
        found = addresses_after_a_restart(place, neighbour, held)
    assert any(ip_address(text) in ip_network(str(D)) for text in found)


@NEIGHBOURS
def test_ha_holds_the_current_address_and_the_past_ones(neighbourhood, space, tmp_path, started):
    """A, B, A, C: each Service has its host part in every prefix that stands, and its IPv4.

    Whether the pool is applied first or the Services. A restart changes nothing.
    """
    needs(started)
    files = {"home.yaml": HA, "pool.yaml": BLOCKS}
    for number, name in enumerate(NAMES):
        ipv4_of_it = f'lbipam.cilium.io/ips: "192.168.42.{100 + number}"'
        files[f"{name}.yaml"] = following(space, name, ipv4_of_it)
    place = Place(neighbourhood, space, files)
    rest = [f"{name}.yaml" for name in NAMES]
    steps = ((A, ["pool.yaml"], rest), (B, rest, ["pool.yaml"]), (A, ["pool.yaml"], rest), (C, rest, ["pool.yaml"]))  # fmt: skip
    stand: list[Prefix] = []
    with started(place, tmp_path / "log") as neighbour, place.every_state() as states:
        for prefix, first, second in steps:
            place.renumber(prefix)
            place.apply(*first)
            neighbour.turn()
            place.apply(*second)
            stand = [prefix, *(past for past in stand if past != prefix)]
            settles(place, neighbour, {str(past): SERVICES for past in stand} | {"IPv4": SERVICES})
        hosts = {name: {text.rpartition(":0:")[2] for text in held if ":" in text} for name, held in place.held().items()}  # fmt: skip
        assert all(len(host) == 1 for host in hosts.values()), hosts
        held = place.held()
    assert always_had_ipv6(states)
    assert all(f"192.168.42.{100 + number}" in held[name] for number, name in enumerate(NAMES))
    with started(place, tmp_path / "again") as neighbour:
        addresses_after_a_restart(place, neighbour, held)


@NEIGHBOURS
def test_services_of_one_sharing_key_are_on_one_address(neighbourhood, space, tmp_path, started):
    """Also after a change of the prefix. One whose port is taken there has an address of its own."""
    needs(started)
    services = of_one_key(space, "lbipam.cilium.io/sharing-key: web")
    place = Place(neighbourhood, space, {"home.yaml": HA, "pool.yaml": BLOCKS, **services})
    with started(place, tmp_path / "log") as neighbour:
        share_one_address(place, neighbour, A, A)
        share_one_address(place, neighbour, B, B, A)
