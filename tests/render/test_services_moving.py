"""Over any sequence of prefixes, whatever is added and renamed on the way."""

from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gitops_prefix.decide.prefix import Prefix, parse_address
from tests.decide.strategies import link_prefix
from tests.render.repository import render_once
from tests.render.services import ALPHA, IPS, PREFIX, service

FIRST, LAST, HOST = 0xF000 << 48, (1 << 64) - 1, (1 << 64) - 1
OWN = {
    "": (),
    f"{ALPHA}: home.example.org": ("home.example.org",),
    f'{ALPHA}: "192.0.2.1,lb.example"': ("192.0.2.1", "lb.example"),
}
prefixes = st.integers(0, 5).map(link_prefix)
unnamed = st.tuples(
    st.sampled_from(["web", "dns", "plex", "a", "b"]), st.sampled_from(["media", "net"])
)
whats = st.tuples(
    st.sampled_from(
        [
            "dynamic-prefix.io/service-address-range: lb",
            'dynamic-prefix.io/suffix: "::f000:0:0:%x"',
        ]
    ),
    st.sampled_from([*OWN]),
    st.sampled_from(["", f"{IPS}: 192.0.2.7"]),
)


def annotations_of(content: bytes) -> dict[str, str]:
    return YAML(typ="safe").load(content)["metadata"]["annotations"]


@given(
    st.dictionaries(unnamed, whats, min_size=1, max_size=5),
    st.lists(st.tuples(prefixes, st.booleans()), min_size=1, max_size=5),
)
def test_services_move_and_keep_what_is_theirs(services, steps):
    """The host part never changes, the first IPv6 is current, DNS is that plus the author's own.

    And no two collide. At each step files may get other names, and all but the first
    Service may come later than the first.
    """
    texts = {}
    for number, ((name, namespace), (part, dns, ips)) in enumerate(services.items(), 1):
        lines = [part % number if "%" in part else part, *filter(None, (dns, ips))]
        texts[name, namespace] = service(*lines, name=name, namespace=namespace).encode()
    first, *later = texts
    contents = {first: texts[first]}
    home = PREFIX
    host_parts: dict[tuple[str, str], int] = {}
    for hour, (prefix, renamed) in enumerate(steps):
        if hour == 1 or len(steps) == 1:
            contents |= {one: texts[one] for one in later}
        order = reversed([*contents]) if renamed else [*contents]
        paths = {one: f"{number}.yaml" for number, one in enumerate(order)}
        files = {"home.yaml": home} | {paths[one]: contents[one] for one in contents}
        rendering = render_once(files, prefix, hour)
        assert {one.code for one in rendering.problems} <= {"hostname-in-target"}
        files |= rendering.files
        home = files["home.yaml"]
        contents = {one: files[paths[one]] for one in contents}
        held = {one: _check(contents[one], prefix, OWN[services[one][1]]) for one in contents}
        assert len(set(held.values())) == len(held), "two collide"
        assert host_parts == {one: held[one] for one in host_parts}, "a host part changed"
        host_parts = held


def _check(content: bytes, prefix: Prefix, own: tuple[str, ...]) -> int:
    """The host part that a Service holds now."""
    found = annotations_of(content)
    ips = found[IPS].split(",")
    address = parse_address(ips[0])
    assert prefix.network + FIRST <= address <= prefix.last
    if own == ("home.example.org",):
        assert found[ALPHA] == "home.example.org", "a CNAME is its author's"
    else:
        # A target that is new holds the IPv4 address too.
        beside = own or tuple(one for one in ips if ":" not in one)
        assert found[ALPHA].split(",") == [ips[0], *beside]
    ours = [one for one in ips if ":" in one]
    assert {parse_address(one) & HOST for one in ours} == {address & HOST}
    assert len({parse_address(one) >> 64 for one in ours}) == len(ours) <= 3
    assert [one for one in ips if ":" not in one] in ([], ["192.0.2.7"])
    return address & HOST
