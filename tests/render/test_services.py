"""Services in mode ha: the host part stays, the prefix in front of it moves."""

import pytest
from ruamel.yaml import YAML

from gitops_prefix.decide.transition import Choice, advance
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import render
from gitops_prefix.render.settings import Settings
from tests.render.repository import NOON, A, B, C, assert_held, render_once
from tests.render.services import ALPHA, BETA, IPS, PREFIX, TEN, service

RANGE = "dynamic-prefix.io/service-address-range: lb"


def render_services(*manifests: str, prefixes=(A, B), spec: bytes = PREFIX) -> list[dict]:
    """The annotations of each Service after one prefix after another."""
    files = {"home.yaml": spec}
    files |= {f"{number}.yaml": text.encode() for number, text in enumerate(manifests)}
    for hour, prefix in enumerate(prefixes):
        rendering = render_once(files, prefix, hour)
        assert not [str(one) for one in rendering.problems if one.severity == "error"]
        files |= rendering.files
        assert render_once(files, prefix, hour).files == {}, "rendering twice changes something"
    return [
        YAML(typ="safe").load(files[f"{number}.yaml"])["metadata"]["annotations"]
        for number in range(len(manifests))
    ]


HELD = {
    "by its suffix, without a range": (
        [TEN],
        "2001:db8:b:0:f000::10,2001:db8:a:0:f000::10",
        "2001:db8:b:0:f000::10",
    ),
    "by its suffix, within a range": (
        [TEN, RANGE],
        "2001:db8:b:0:f000::10,2001:db8:a:0:f000::10",
        "2001:db8:b:0:f000::10",
    ),
    "by the address that it has in the current prefix": (
        [RANGE, f"{IPS}: 2001:db8:a:0:f000::99"],
        "2001:db8:b:0:f000::99,2001:db8:a:0:f000::99",
        "2001:db8:b:0:f000::99",
    ),
    "written in another way": (
        [RANGE, f'{IPS}: "2001:0DB8:a:0:F000:0::99"'],
        "2001:db8:b:0:f000::99,2001:db8:a:0:f000::99",
        "2001:db8:b:0:f000::99",
    ),
    "beside an IPv4 in front, which goes behind": (
        [RANGE, f"{IPS}: 192.0.2.5, 2001:db8:a:0:f000::99", f"{ALPHA}: home.example.org"],
        "2001:db8:b:0:f000::99, 2001:db8:a:0:f000::99, 192.0.2.5",
        "home.example.org",
    ),
    "in a subnet": (
        ["dynamic-prefix.io/service-subnet: low", 'dynamic-prefix.io/suffix: "::7"'],
        "2001:db8:b:0:100::7,2001:db8:a:0:100::7",
        "2001:db8:b:0:100::7",
    ),
    "by the annotation that pools have, too": (
        ["dynamic-prefix.io/address-range: lb", TEN],
        "2001:db8:b:0:f000::10,2001:db8:a:0:f000::10",
        "2001:db8:b:0:f000::10",
    ),
}


@pytest.mark.parametrize(("annotations", "ips", "target"), HELD.values(), ids=HELD)
def test_a_service_holds_its_host_part(annotations, ips, target):
    """Current first, then the past; DNS shows the current one alone."""
    (found,) = render_services(service(*annotations))
    assert (found[IPS], found[ALPHA]) == (ips, target)


def test_host_part_0_is_one_too():
    """Of a range that begins there."""
    zero = b'    - {name: zero, start: "::", end: "::f"}\n  subnets:'
    annotations = (
        "dynamic-prefix.io/service-address-range: zero",
        'dynamic-prefix.io/suffix: "::"',
    )
    (found,) = render_services(service(*annotations), spec=PREFIX.replace(b"  subnets:", zero))
    assert found[IPS] == "2001:db8:b::,2001:db8:a::"


def test_of_two_host_parts_the_one_that_is_listed_first_stays():
    """Listed ahead of the renumbering; the address of the other one, by the status before, goes."""
    listed = service(RANGE, f"{IPS}: 2001:db8:b:0:f000::99,2001:db8:a:0:f000::77")
    before = render_once({"home.yaml": PREFIX}, A).files["home.yaml"]
    (annotations,) = render_services(listed, prefixes=(B,), spec=before)
    assert annotations[IPS] == "2001:db8:b:0:f000::99,2001:db8:a:0:f000::99"


def test_the_past_leaves_with_the_history():
    (found,) = render_services(service(TEN), prefixes=(A, B, C, A))
    assert found[IPS].split(",") == [f"2001:db8:{one}:0:f000::10" for one in "acb"]


DNS = {
    "neither: both of the defaults": ([], {ALPHA, BETA}),
    "by its own hostname": (["external-dns.kubernetes.io/hostname: web.example.org"], {BETA}),
    "a hostname alone is a CNAME of its author": ([f"{ALPHA}: lb.example.net"], set()),
    "the old one alone": ([f"{ALPHA}: 192.0.2.5"], {ALPHA}),
    "the new one alone": ([f"{BETA}: 192.0.2.5"], {BETA}),
    "both": ([f"{ALPHA}: 192.0.2.5", f"{BETA}: 192.0.2.5"], {ALPHA, BETA}),
    "left to its author": (['dynamic-prefix.io/skip-external-dns-update: "true"'], set()),
}


@pytest.mark.parametrize(("annotations", "written"), DNS.values(), ids=DNS)
def test_which_dns_annotations_are_kept_current(annotations, written):
    (found,) = render_services(service(TEN, *annotations))
    assert {key for key in (ALPHA, BETA) if "2001:db8:b" in found.get(key, "")} == written


def test_the_configured_dns_prefix_is_written_where_there_is_none():
    files = {"home.yaml": PREFIX, "web.yaml": service(TEN).encode()}
    settings = Settings(dns_annotation_prefixes=("external-dns.kubernetes.io/", "other.example/"))
    fields = [one.field for one in read_inventory(files, settings).bindings]
    assert fields == [
        f"metadata.annotations.{key}"
        for key in (IPS, "external-dns.kubernetes.io/target", "other.example/target")
    ]


def test_dns_waits_for_its_delay_and_then_moves_alone():
    """Make before break: the address is there ten minutes before names point to it."""
    spec = PREFIX.replace(b"mode: ha", b"mode: ha, dnsDelay: 90m")
    during = render_services(service(TEN), prefixes=(A, B), spec=spec)
    assert during[0][ALPHA] == "2001:db8:a:0:f000::10"
    assert during[0][IPS].startswith("2001:db8:b:0:f000::10,")
    afterwards = render_services(service(TEN), prefixes=(A, B, B, B), spec=spec)
    assert afterwards[0][ALPHA] == "2001:db8:b:0:f000::10"
    assert afterwards[0][IPS] == during[0][IPS]


def test_metallb_gets_the_current_address_alone():
    """It takes one address a family; Cilium's annotation is not added beside it."""
    (found,) = render_services(
        service(RANGE, "metallb.io/loadBalancerIPs: 192.0.2.5,2001:db8:a:0:f000::99")
    )
    assert found["metallb.io/loadBalancerIPs"] == "2001:db8:b:0:f000::99,192.0.2.5"
    assert IPS not in found


def test_mode_simple_leaves_a_service_alone_and_says_so():
    spec = PREFIX.replace(b"mode: ha", b"mode: simple")
    files = {"home.yaml": spec, "web.yaml": service(TEN).encode()}
    rendering = render_once(files, A)
    assert [one.code for one in rendering.problems] == ["mode-simple"]
    assert set(rendering.files) == {"home.yaml"}


REFUSED = {
    "two on one suffix": (
        [service(TEN), service(TEN, name="other")],
        ["0.yaml:7:5 address-taken"],
        "Service media/web and Service media/other (1.yaml",
    ),
    "a suffix outside its range": (
        [service('dynamic-prefix.io/suffix: "::10"', RANGE)],
        ["0.yaml:7:5 suffix-outside"],
        "/suffix ::10 lies outside lb of home, which has ::f000:0:0:0 to ::ffff:ffff:ffff:ffff",
    ),
    "a suffix with prefix bits": (
        [service('dynamic-prefix.io/suffix: "2001:db8::10"')],
        ["0.yaml:7:5 suffix-outside"],
        "lies outside home",
    ),
    "a suffix that is none": (
        [service("dynamic-prefix.io/suffix: ten")],
        ["0.yaml:8:31 invalid-value"],
        "'ten' is not an IPv6 address",
    ),
    "no range, no suffix": ([service()], ["0.yaml:7:29 no-address"], "names no address"),
    "a range that is unknown": (
        [service("dynamic-prefix.io/service-address-range: lbs")],
        ["0.yaml:8:46 unknown-address-range"],
        'Did you mean "lb"?',
    ),
    "both a range and a subnet": (
        [service(RANGE, "dynamic-prefix.io/service-subnet: low")],
        ["0.yaml:9:39 range-and-subnet"],
        "keep one of the two",
    ),
    "more Services than addresses": (
        [service("dynamic-prefix.io/address-range: two", name=name) for name in "abc"],
        ["2.yaml:7:5 range-full"],
        "every address of two of home is taken",
    ),
    "an alias": (
        [service(TEN, "other: &ips 192.0.2.5", f"{IPS}: *ips")],
        ["0.yaml:10:27 edit-refused"],
        "not a string of its own",
    ),
    "a block scalar": (
        [service(TEN, f"{IPS}: |\n      192.0.2.5")],
        ["0.yaml:9:27 edit-refused"],
        "is a block scalar",
    ),
    "a list": (
        [service(TEN, f"{IPS}: [192.0.2.5]")],
        ["0.yaml:9:27 edit-refused"],
        "not a string of its own",
    ),
}


@pytest.mark.parametrize(("manifests", "places", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(manifests, places, said):
    """With its place; and what is refused is not touched."""
    files = {"home.yaml": PREFIX}
    files |= {f"{number}.yaml": text.encode() for number, text in enumerate(manifests)}
    rendering = render_once(files, A)
    assert_held(files, rendering)
    assert {place.partition(":")[0] for place in places}.isdisjoint(rendering.files)
    assert [f"{one.place} {one.code}" for one in rendering.problems] == places
    assert said in str(rendering.problems[0])


@pytest.mark.parametrize("case", ["two on one suffix", "a suffix outside its range"])
def test_no_prefix_is_needed_to_see_what_cannot_be(case):
    """Before the first advertisement, too."""
    manifests, places, said = REFUSED[case]
    files = {"home.yaml": PREFIX}
    files |= {f"{number}.yaml": text.encode() for number, text in enumerate(manifests)}
    rendering = render(read_inventory(files, Settings()), {})
    assert [f"{one.place} {one.code}" for one in rendering.problems] == places
    assert said in str(rendering.problems[0])


def test_one_suffix_in_two_dynamic_prefixes_is_two_addresses():
    """Before any prefix is known, and after."""
    guest = PREFIX.replace(b"name: home", b"name: guest")
    other = service(TEN, name="other").replace("name: home", "name: guest")
    files = {"home.yaml": PREFIX, "guest.yaml": guest}
    files |= {"web.yaml": service(TEN).encode(), "other.yaml": other.encode()}
    inventory = read_inventory(files, Settings())
    assert render(inventory, {}).problems == ()
    statuses = {
        name: advance(document.specification, None, Choice(prefix), NOON)
        for (name, document), prefix in zip(inventory.dynamic_prefixes.items(), (A, B), strict=True)
    }
    rendering = render(inventory, statuses)
    assert rendering.problems == ()
    assert b'ips: "2001:db8:b:0:f000::10"\n' in rendering.files["web.yaml"]
    assert b'ips: "2001:db8:a:0:f000::10"\n' in rendering.files["other.yaml"]


SHARED = {
    "a sharing key in common": (
        service(TEN, f"{'lbipam.cilium.io/sharing-key'}: edge"),
        service(TEN, "lbipam.cilium.io/sharing-key: edge", name="other"),
    ),
    "a base and its overlay: one object": (service(TEN), service(TEN)),
}


@pytest.mark.parametrize("manifests", SHARED.values(), ids=SHARED)
def test_who_may_be_on_one_address(manifests):
    first, second = render_services(*manifests)
    assert first[IPS] == second[IPS] == "2001:db8:b:0:f000::10,2001:db8:a:0:f000::10"


def test_a_static_address_inside_the_prefix_is_told():
    """It is its author's, and will not follow."""
    files = {"home.yaml": PREFIX}
    files["web.yaml"] = service(TEN, f"{IPS}: 2001:db8:a::77").encode()
    rendering = render_once(files, A)
    assert [one.code for one in rendering.problems] == ["will-not-follow"]
    assert b"ips: 2001:db8:a:0:f000::10,2001:db8:a::77\n" in rendering.files["web.yaml"]


STYLES = {
    "plain, plain": (f"{IPS}: 192.0.2.5", f"{IPS}: 2001:db8:a:0:f000::10,192.0.2.5"),
    "single quotes": (f"{IPS}: '192.0.2.5'", f"{IPS}: '2001:db8:a:0:f000::10,192.0.2.5'"),
    "double quotes": (f'{IPS}: "192.0.2.5"', f'{IPS}: "2001:db8:a:0:f000::10,192.0.2.5"'),
    "a comment behind": (f"{IPS}: '' # ours", f"{IPS}: '2001:db8:a:0:f000::10' # ours"),
    "no value": (f"{IPS}:", f'{IPS}: "2001:db8:a:0:f000::10"'),
    "no value, and a comment": (f"{IPS}:  # ours", f'{IPS}: "2001:db8:a:0:f000::10"  # ours'),
    "null": (f"{IPS}: null", f'{IPS}: "2001:db8:a:0:f000::10"'),
    "a tilde": (f"{IPS}: ~ # ours", f'{IPS}: "2001:db8:a:0:f000::10" # ours'),
}
SKIP = 'dynamic-prefix.io/skip-external-dns-update: "true"'


@pytest.mark.parametrize(("before", "after"), STYLES.values(), ids=STYLES)
def test_the_authors_style_stays(before, after):
    """Byte for byte, whatever quotes there are."""
    text = service(TEN, SKIP, before)
    files = {"home.yaml": PREFIX, "web.yaml": text.encode()}
    assert render_once(files, A).files["web.yaml"].decode() == text.replace(before, after)


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_annotations_in_braces(newline):
    text = (
        "{apiVersion: v1, kind: Service, metadata: {name: web, annotations:"
        ' {dynamic-prefix.io/name: home, dynamic-prefix.io/suffix: "::7"}}}\n'
    ).replace("\n", newline)
    files = {"home.yaml": PREFIX, "web.yaml": text.encode()}
    added = f', {IPS}: "2001:db8:a::7", {ALPHA}: "2001:db8:a::7", {BETA}: "2001:db8:a::7"'
    expected = text.replace('"::7"', f'"::7"{added}')
    assert render_once(files, A).files["web.yaml"].decode() == expected
