"""MetalLB's own controller acts on what we render. The same scenarios run against the stand-in."""

from ipaddress import ip_address, ip_network

from tests.neighbours.load_balancers import METALLB, metallb, metallb_stand_in
from tests.neighbours.place import (
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

NETWORK = "192.0.2.0/24"
POOL = f"""\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: home
  namespace: {METALLB}
  annotations: {{dynamic-prefix.io/name: home, dynamic-prefix.io/address-range: lb}}
spec:
  addresses:
    - {NETWORK}
"""
NAMES = [f"s{number}" for number in range(6)]
NEIGHBOURS = both(metallb, metallb_stand_in)


def needs(started) -> None:
    require("metallb" if started is metallb else "cluster")


def settles(place: Place, neighbour, expected: dict[str, int]) -> None:
    place.settles_on(neighbour, expected, A, B, C, ipv4=NETWORK)


def pinned(space: str, name: str, number: int) -> str:
    """A Service that pins its IPv4 address."""
    pin = f'metallb.io/loadBalancerIPs: "192.0.2.{number}"'
    return following(space, name, pin, families="ipFamilyPolicy: RequireDualStack")


@NEIGHBOURS
def test_a_service_that_pins_both_families_follows_and_keeps_its_ipv4(
    neighbourhood, space, tmp_path, started
):
    """A, B, A, C, the pool first: nobody is ever without an address, and IPv4 and host part stay."""
    needs(started)
    files = {"home.yaml": HA, "pool.yaml": POOL}
    for number, name in enumerate(NAMES):
        files[f"{name}.yaml"] = pinned(space, name, 10 + number)
    place = Place(neighbourhood, space, files)
    rest = [f"{name}.yaml" for name in NAMES]
    hosts = []
    with started(place, tmp_path / "log") as neighbour, place.every_state() as states:
        for prefix in (A, B, A, C):
            place.renumber(prefix)
            place.apply("pool.yaml")
            neighbour.turn()
            place.apply(*rest)
            settles(place, neighbour, {str(prefix): 6, "IPv4": 6})
            held = place.held()
            assert all(f"192.0.2.{10 + number}" in held[name] for number, name in enumerate(NAMES))
            ipv6 = {name: text for name, texts in held.items() for text in texts if ":" in text}
            hosts.append({name: text.rpartition(":0:")[2] for name, text in ipv6.items()})
    assert all(later == hosts[0] for later in hosts)
    assert never_without(states)


@NEIGHBOURS
def test_services_that_are_applied_before_their_pool_are_without_addresses_until_it_comes(
    neighbourhood, space, tmp_path, started
):
    """So the Kustomization of the Services depends on that of the pool."""
    needs(started)
    text = pinned(space, "s", 10)
    place = Place(neighbourhood, space, {"home.yaml": HA, "pool.yaml": POOL, "s.yaml": text})
    with started(place, tmp_path / "log") as neighbour:
        place.renumber(A)
        place.apply()
        settles(place, neighbour, {str(A): 1, "IPv4": 1})
        place.renumber(B)
        place.apply("s.yaml")
        settles(place, neighbour, {"without IPv6": 1})  # IPv4 is gone as well
        place.apply("pool.yaml")
        settles(place, neighbour, {str(B): 1, "IPv4": 1})


@NEIGHBOURS
def test_services_that_pin_nothing_move_when_their_prefix_leaves_the_pool(
    neighbourhood, space, tmp_path, started
):
    """All get new addresses then, of IPv4 too, and not always the same ones."""
    needs(started)
    history = PREFIX.decode() + "  transition: {maxPrefixHistory: 1}\n"
    place = Place(neighbourhood, space, {"home.yaml": history, "pool.yaml": POOL})
    with started(place, tmp_path / "log") as neighbour:
        place.renumber(A)
        place.apply()
        made = (service(space, name, ipFamilyPolicy="RequireDualStack") for name in NAMES)
        place.cluster.apply(*made)
        settles(place, neighbour, {str(A): 6, "IPv4": 6})
        place.renumber(B)
        place.apply()
        place.cluster.apply(service(space, "new", ipFamilyPolicy="RequireDualStack"))
        settles(place, neighbour, {str(A): 6, str(B): 1, "IPv4": 7})
        place.renumber(C)
        place.apply()
        settles(place, neighbour, {str(B): 1, str(C): 6, "IPv4": 7})
        ipv4 = [text for held in place.held().values() for text in held if "." in text]
        assert len({*ipv4}) == 7
        assert all(ip_address(text) in ip_network(NETWORK) for text in ipv4)


@NEIGHBOURS
def test_a_service_that_would_lose_its_ipv4_is_left_alone(neighbourhood, space, tmp_path, started):
    """MetalLB demands exactly the families of the Service: with IPv6 alone it would have nothing."""
    needs(started)
    text = following(space, "s", 'metallb.io/loadBalancerIPs: ""')
    place = Place(neighbourhood, space, {"home.yaml": HA, "pool.yaml": POOL, "s.yaml": text})
    with started(place, tmp_path / "log") as neighbour:
        place.renumber(A)
        place.apply()
        settles(place, neighbour, {str(A): 1, "IPv4": 1})
        assert "ipv4-would-be-lost" in place.warnings
        assert place.files["s.yaml"].decode() == text
        asked = {"metallb.io/loadBalancerIPs": place.held()["s"][1]}
        place.cluster.apply(service(space, "t", asked, ipFamilyPolicy="PreferDualStack"))
        settles(place, neighbour, {str(A): 1, "IPv4": 1, "without IPv6": 1})


@NEIGHBOURS
def test_services_of_one_sharing_key_are_on_one_address(neighbourhood, space, tmp_path, started):
    """Also after a change of the prefix. One whose port is taken there has an address of its own."""
    needs(started)
    services = of_one_key(space, "metallb.io/allow-shared-ip: web")
    place = Place(neighbourhood, space, {"home.yaml": HA, "pool.yaml": POOL, **services})
    with started(place, tmp_path / "log") as neighbour:
        share_one_address(place, neighbour, A, A)
        share_one_address(place, neighbour, B, B)
