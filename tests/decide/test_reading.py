"""The spec of a DynamicPrefix: what is read, what is refused, and where."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.prefix import AddressRange, Prefix, Subnet
from gitops_prefix.decide.reading import read_specification
from gitops_prefix.decide.specification import Acquisition, Delegation, Specification, Transition
from gitops_prefix.errors import Problem, Severity


def document(name="home", **spec):
    return {"metadata": {"name": name}, "spec": spec}


def advertisement(**fields):
    return document(acquisition={"routerAdvertisement": fields})


def problems(content, prefix_length=None):
    return [
        (problem.code, problem.message) for problem in read_specification(content, prefix_length)[1]
    ]


def test_both_options_of_preferred_routers_may_be_without_effect():
    _, found = read_specification(
        advertisement(routers=["fe80::1"], preferRouters=["fe80::2"], returnAfter="5m")
    )
    assert [problem.code for problem in found] == ["prefers-nobody", "returns-to-nobody"]


def test_the_document_of_the_design_is_read_whole():
    specification, found = read_specification(
        {
            "apiVersion": "dynamic-prefix.io/v1alpha1",
            "kind": "DynamicPrefix",
            "metadata": {"name": "home-ipv6"},
            "spec": {
                "acquisition": {
                    "routerAdvertisement": {
                        "interface": "eth0",
                        "enabled": True,
                        "routers": ["FE80::1"],
                        "preferRouters": ["FE80::1", "fe80::2", "fe80::1"],
                        "returnAfter": "1h",
                        "delegatedPrefixLength": 56,
                    },
                    "prefixFilter": {"requireGlobalUnicast": False, "within": ["2001:db8::/32"]},
                    "kernel": {"interface": "eth1"},
                    "file": {"path": "/run/prefix"},
                    "static": {"prefix": "2001:db8:1234::/64"},
                },
                "addressRanges": [
                    {
                        "name": "loadbalancers",
                        "start": "::f000:0:0:0",
                        "end": "::ffff:ffff:ffff:ffff",
                    }
                ],
                "subnets": [
                    {
                        "name": "pods",
                        "offset": 1,
                        "prefixLength": 64,
                        "bgp": {"advertise": True, "community": "65001:100"},
                    }
                ],
                "transition": {
                    "mode": "ha",
                    "maxPrefixHistory": 3,
                    "stabilizationWindow": "30s",
                    "retention": "48h",
                    "dnsDelay": "5m",
                    "maxChangesPerHour": 6,
                },
            },
        }
    )

    assert [problem.code for problem in found] == [
        "returns-to-nobody",
        "kernel-not-watched",
        "file-not-watched",
    ]
    assert specification == Specification(
        name="home-ipv6",
        acquisition=Acquisition(
            interfaces=("eth0",),
            routers=("fe80::1",),
            delegated_length=56,
            require_global_unicast=False,
            within=(Prefix.parse("2001:db8::/32"),),
            kernel_interface="eth1",
            static=Prefix.parse("2001:db8:1234::/64"),
            prefer_routers=("fe80::1", "fe80::2"),
            return_after=timedelta(hours=1),
            file="/run/prefix",
        ),
        ranges=(AddressRange("loadbalancers", 0xF000 << 48, (1 << 64) - 1),),
        subnets=(Subnet("pods", 1, 64, advertise=True, community="65001:100"),),
        transition=Transition(
            mode="ha",
            max_prefix_history=3,
            stabilization_window=timedelta(seconds=30),
            retention=timedelta(hours=48),
            dns_delay=timedelta(minutes=5),
            max_changes_per_hour=6,
        ),
    )


@pytest.mark.parametrize("bgp", [{}, {"bgp": {}}, {"bgp": {"community": "65001:100"}}])
def test_a_subnet_is_not_announced_unless_it_says_so(bgp):
    specification, found = read_specification(
        document(subnets=[{"name": "pods", "prefixLength": 64, **bgp}])
    )
    assert found == ()
    assert [subnet.advertise for subnet in specification.subnets] == [False]


@pytest.mark.parametrize("spec", [{}, {"transition": {}, "subnets": []}])
def test_what_is_left_out_has_the_defaults_of_the_design(spec):
    specification, found = read_specification(document(**spec))

    assert found == ()
    assert specification == Specification("home")
    assert specification.acquisition.require_global_unicast
    assert specification.transition == Transition(
        mode="simple",
        max_prefix_history=2,
        stabilization_window=timedelta(0),
        retention=None,
        dns_delay=timedelta(0),
        max_changes_per_hour=12,
    )


@pytest.mark.parametrize(
    ("fields", "interfaces"),
    [
        pytest.param({"interface": "eth0"}, ("eth0",), id="one"),
        pytest.param({"interfaces": ["eth0", "eth1"]}, ("eth0", "eth1"), id="several"),
        pytest.param({"interface": "b", "interfaces": ["a", "b"]}, ("b", "a"), id="each only once"),
        pytest.param({"interface": "eth0", "enabled": False}, (), id="switched off"),
        pytest.param({"interface": "br-lan.100@2"}, ("br-lan.100@2",), id="a VLAN's odd name"),
    ],
)
def test_interfaces_are_those_named(fields, interfaces):
    specification, found = read_specification(advertisement(**fields))

    assert specification.acquisition.interfaces == interfaces
    assert found == ()


@pytest.mark.parametrize(
    "name",
    ["", "a/b", "eth 0", "..", ".", "averyveryverylong", "eth0:1", "b\u00fcro", "a\u202eb"],
    ids=repr,
)
def test_what_cannot_be_an_interface_is_told_at_once_and_not_waited_for(name):
    [(code, message)] = problems(advertisement(interface=name))

    assert code == "invalid-value"
    assert message.startswith(
        f'spec.acquisition.routerAdvertisement.interface: "{name}" cannot be a network interface'
    )


def test_an_interface_with_an_escape_sequence_is_refused_and_shown_harmless():
    [(code, message)] = problems(advertisement(interface="\x1b[31m"))

    assert code == "invalid-value"
    assert Problem(code, message).message.isprintable()


@pytest.mark.parametrize(
    ("text", "retention"),
    [("48h", timedelta(hours=48)), ("lifetime", "lifetime"), ("0s", timedelta(0))],
)
def test_retention_is_a_duration_or_the_advertised_lifetime(text, retention):
    specification, found = read_specification(document(transition={"retention": text}))

    assert specification.transition.retention == retention
    assert found == ()


@pytest.mark.parametrize("count", range(11))
def test_the_history_may_hold_none_to_ten(count):
    specification, found = read_specification(document(transition={"maxPrefixHistory": count}))

    assert specification.transition.max_prefix_history == count
    assert found == ()


POOL = {"name": "pool", "start": "::1", "end": "::2"}
PODS = {"name": "pods", "offset": 1, "prefixLength": 64}


@pytest.mark.parametrize("text", ["fe80::/64", "ff02::/64", "::/0"])
def test_a_static_prefix_is_for_addresses(text):
    [(code, message)] = problems(document(acquisition={"static": {"prefix": text}}))

    assert code == "invalid-value"
    assert "link-local or multicast, and never a prefix for addresses" in message


def test_a_static_prefix_is_that_of_a_network():
    [(code, message)] = problems(document(acquisition={"static": {"prefix": "2000::/3"}}))

    assert code == "invalid-value"
    assert '"2000::/3" is shorter than /16, and no network has that many addresses' in message


@pytest.mark.parametrize("length", [-1, 0, 65, 128, True, "56", "long", 5.5])
@pytest.mark.parametrize(
    ("source", "field"),
    [("routerAdvertisement", "delegatedPrefixLength"), ("dhcpv6pd", "requestedPrefixLength")],
)
def test_a_delegation_is_as_long_as_a_link_or_shorter(source, field, length):
    [(code, message)] = problems(
        document(acquisition={source: {"interface": "eth0", field: length}})
    )

    assert code in {"wrong-type", "out-of-range"}
    assert message.startswith(f"spec.acquisition.{source}.{field}: ")


@pytest.mark.parametrize(
    ("content", "path"),
    [
        (document(addressRanges=None), "spec.addressRanges"),
        (document(subnets=None), "spec.subnets"),
        (document(transition=None), "spec.transition"),
        (document(acquisition=None), "spec.acquisition"),
        (document(transition={"mode": None}), "spec.transition.mode"),
        (advertisement(routers=None), "spec.acquisition.routerAdvertisement.routers"),
        (
            document(subnets=[{"name": "a", "offset": None, "prefixLength": 64}]),
            "spec.subnets[0].offset",
        ),
    ],
)
def test_a_field_without_a_value_is_named_and_counts_as_not_written(content, path):
    [(code, message)] = problems(content)

    assert code == "empty-field"
    assert message == f"{path}: has no value behind its colon, and counts as not written: remove it"


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        pytest.param(
            {"metadata": {"name": "a"}},
            "missing-field",
            "spec: a DynamicPrefix needs a spec",
            id="no spec",
        ),
        pytest.param(
            document(name="Home"),
            "invalid-name",
            'metadata.name: "Home" is not a name: use a-z',
            id="upper case name",
        ),
        pytest.param(
            document(name=""), "invalid-name", 'metadata.name: "" is not a name', id="no name"
        ),
        pytest.param(
            document(name="a."),
            "invalid-name",
            'metadata.name: "a." is not a name',
            id="empty label",
        ),
        pytest.param(document(name="a" * 254), "invalid-name", "metadata.name", id="name of 254"),
        pytest.param(
            document(acquisition={"static": {}}),
            "missing-field",
            "spec.acquisition.static.prefix: a static acquisition needs its prefix",
            id="static without prefix",
        ),
        pytest.param(
            document(acquisition={"static": {"prefix": "2001:db8::1/64"}}),
            "invalid-value",
            "spec.acquisition.static.prefix: '2001:db8::1/64' has bits set beyond its length",
            id="static with host bits",
        ),
        pytest.param(
            advertisement(routers=["fe80::1", "2001:db8::1"]),
            "invalid-value",
            'spec.acquisition.routerAdvertisement.routers[1]: "2001:db8::1" is not link-local',
            id="a router that is not link-local",
        ),
        pytest.param(
            advertisement(preferRouters=["fe80::1", "eth0"]),
            "invalid-value",
            "spec.acquisition.routerAdvertisement.preferRouters[1]: ",
            id="a preferred router that is no address",
        ),
        pytest.param(
            advertisement(returnAfter="soon"),
            "invalid-value",
            "spec.acquisition.routerAdvertisement.returnAfter: 'soon' is not a duration",
            id="a time to return that is no duration",
        ),
        pytest.param(
            advertisement(returnAfter=10),
            "wrong-type",
            "spec.acquisition.routerAdvertisement.returnAfter: 10 has no unit: write it in quotes",
            id="a time to return without a unit",
        ),
        pytest.param(
            advertisement(delegatedPrefixLength=129),
            "out-of-range",
            "spec.acquisition.routerAdvertisement.delegatedPrefixLength: 129 is not a whole number from 16 to 64",
            id="a delegation of 129 bits",
        ),
        pytest.param(
            document(acquisition={"prefixFilter": {"within": ["2001:db8::"]}}),
            "invalid-value",
            "spec.acquisition.prefixFilter.within[0]: '2001:db8::' is not a prefix",
            id="within without length",
        ),
        pytest.param(
            document(addressRanges=[{**POOL, "start": "::3"}]),
            "range-reversed",
            'spec.addressRanges[0].start: "::3" is above end "::2"',
            id="a range backwards",
        ),
        pytest.param(
            document(addressRanges=[{"name": "pool", "end": "::2"}]),
            "missing-field",
            'spec.addressRanges[0].start: a range needs its start, as in "::f000:0:0:0"',
            id="a range without start",
        ),
        pytest.param(
            document(addressRanges=[{"name": "pool", "start": "::2"}]),
            "missing-field",
            "spec.addressRanges[0].end: a range needs its end",
            id="a range without end",
        ),
        pytest.param(
            document(addressRanges=[{**POOL, "end": "f"}]),
            "invalid-value",
            "spec.addressRanges[0].end: 'f' is not an IPv6 address: write a host part, as in "
            '"::f000:0:0:0"',
            id="an end that is no address",
        ),
        pytest.param(
            document(addressRanges=[{**POOL, "start": "::f/64"}]),
            "invalid-value",
            "spec.addressRanges[0].start: '::f/64' is not an IPv6 address: a host part has no "
            'length: write "::f"',
            id="a start with a length",
        ),
        pytest.param(
            document(addressRanges=[{**POOL, "start": "f000::"}]),
            "suffix-in-prefix",
            'spec.addressRanges[0].start: "f000::" has bits set inside the /64 prefix: '
            'write only the host part, as in "::f000:0:0:0"',
            id="a start inside the prefix",
        ),
        pytest.param(
            document(addressRanges=[POOL, POOL]),
            "duplicate-name",
            'spec.addressRanges[1].name: "pool" is there already',
            id="two ranges of one name",
        ),
        pytest.param(
            document(subnets=[PODS, PODS]),
            "duplicate-name",
            'spec.subnets[1].name: "pods" is there already',
            id="two subnets of one name",
        ),
        pytest.param(
            document(addressRanges=[{**POOL, "name": "-pool"}]),
            "invalid-name",
            'spec.addressRanges[0].name: "-pool" is not a name',
            id="a range's name that begins with a hyphen",
        ),
        pytest.param(
            document(addressRanges=[{**POOL, "name": "a.b"}]),
            "invalid-name",
            'spec.addressRanges[0].name: "a.b" is not a name',
            id="a range's name with a dot",
        ),
        pytest.param(
            document(subnets=[{**PODS, "name": "a" * 64}]),
            "invalid-name",
            "spec.subnets[0].name",
            id="a name of 64",
        ),
        pytest.param(
            document(subnets=[{"name": "pods", "offset": 1}]),
            "missing-field",
            "spec.subnets[0].prefixLength: a subnet needs its prefixLength",
            id="a subnet without length",
        ),
        pytest.param(
            document(subnets=[{**PODS, "offset": -1}]),
            "out-of-range",
            "spec.subnets[0].offset: -1 is not a whole number",
            id="an offset below zero",
        ),
        pytest.param(
            document(subnets=[{**PODS, "offset": 2**128}]),
            "out-of-range",
            f"spec.subnets[0].offset: {2**128} is not a whole number",
            id="an offset above all addresses",
        ),
        pytest.param(
            document(subnets=[{**PODS, "bgp": {"community": "65001"}}]),
            "invalid-value",
            'spec.subnets[0].bgp.community: "65001" is not a BGP community: write ASN:VALUE',
            id="a community without value",
        ),
        pytest.param(
            document(acquisition={"static": {"prefix": "2001:db8::/64"}}, subnets=[PODS]),
            "subnet-outside",
            "spec.subnets[0]: subnet pods at offset 1 lies outside 2001:db8::/64",
            id="a subnet outside the static prefix",
        ),
        pytest.param(
            document(
                acquisition={"routerAdvertisement": {"delegatedPrefixLength": 60}},
                subnets=[{**PODS, "offset": 16}],
            ),
            "subnet-outside",
            "spec.subnets[0]: subnet pods at offset 16 lies outside ::/60",
            id="a subnet outside every delegation of that length",
        ),
        pytest.param(
            document(transition={"mode": "HA"}),
            "invalid-value",
            'spec.transition.mode: "HA" is not one of simple, ha',
            id="a mode that is none",
        ),
        pytest.param(
            document(transition={"maxPrefixHistory": 11}),
            "out-of-range",
            "spec.transition.maxPrefixHistory: 11 is not a whole number from 0 to 10",
            id="a history of eleven",
        ),
        pytest.param(
            document(transition={"mode": "ha", "maxPrefixHistory": 0}),
            "ha-needs-history",
            "spec.transition.maxPrefixHistory: with 0, mode ha leaves Services without an address",
            id="mode ha without a history",
        ),
        pytest.param(
            document(transition={"maxChangesPerHour": 0}),
            "out-of-range",
            "spec.transition.maxChangesPerHour: 0 is not a whole number from 1 to 3600",
            id="no change at all",
        ),
        pytest.param(
            document(transition={"retention": "forever"}),
            "invalid-value",
            "spec.transition.retention: 'forever' is not a duration",
            id="a retention that is none",
        ),
        pytest.param(
            document(transition={"stabilizationWindow": 30}),
            "wrong-type",
            'spec.transition.stabilizationWindow: 30 has no unit: write it in quotes and with one, as in "30s"',
            id="a duration without its unit",
        ),
    ],
)
def test_what_is_wrong_is_one_error_at_its_field(content, code, message):
    [(found_code, found_message)] = problems(content)

    assert found_code == code
    assert found_message.startswith(message)


def test_everything_wrong_is_told_in_one_reading():
    codes = [
        code
        for code, _ in problems(
            document(
                name="",
                addressRanges=[{**POOL, "start": "f000::"}, {"name": "pool"}],
                transition={"mode": "x", "dnsDelay": "1"},
            )
        )
    ]

    assert sorted(codes) == [
        "duplicate-name",
        "invalid-name",
        "invalid-value",
        "invalid-value",
        "missing-field",
        "missing-field",
        "suffix-in-prefix",
    ]


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        pytest.param(
            document(adressRanges=[]),
            "unknown-field",
            'spec.adressRanges: gitops-prefix reads no such field. Did you mean "addressRanges"?',
            id="a slip of the pen",
        ),
        pytest.param(
            document(transition={"maxHistory": 1}),
            "unknown-field",
            "spec.transition.maxHistory: gitops-prefix reads no such field",
            id="further down",
        ),
        pytest.param(
            document(subnets=[{"name": "pods", "prefixLength": 64, "ofset": 1}]),
            "unknown-field",
            'spec.subnets[0].ofset: gitops-prefix reads no such field. Did you mean "offset"?',
            id="in a subnet",
        ),
        pytest.param(
            advertisement(routers=["fe80::1"], preferRouters=["fe80::2", "fe80::3"]),
            "prefers-nobody",
            "spec.acquisition.routerAdvertisement.preferRouters: `routers` believes none of these",
            id="routers that are preferred, and not believed",
        ),
        pytest.param(
            advertisement(routers=["fe80::1"], returnAfter="never"),
            "returns-to-nobody",
            "spec.acquisition.routerAdvertisement.returnAfter: `routers` believes one router alone",
            id="a time to return to the only router",
        ),
        pytest.param(
            document(
                acquisition={
                    "routerAdvertisement": {"interface": "eth0"},
                    "prefixFilter": {"within": ["fd00::/8", "64:ff9b::/96"]},
                }
            ),
            "admits-nothing",
            "spec.acquisition.prefixFilter.within: none of these has a global prefix (2000::/3)",
            id="a filter that nothing passes",
        ),
        pytest.param(
            document(
                acquisition={
                    "kernel": {"interface": "eth0"},
                    "static": {"prefix": "2001:db8::/64"},
                }
            ),
            "kernel-not-watched",
            "spec.acquisition.kernel: static is there, too, and always counts; "
            "the kernel is not asked",
            id="the kernel beside a static prefix",
        ),
        pytest.param(
            document(
                acquisition={
                    "file": {"path": "/run/prefix"},
                    "static": {"prefix": "2001:db8::/64"},
                }
            ),
            "file-not-watched",
            "spec.acquisition.file: static is there, too, and always counts; the file is not read",
            id="a file beside a static prefix",
        ),
    ],
)
def test_what_will_not_work_as_hoped_is_a_warning(content, code, message):
    [problem] = read_specification(content)[1]

    assert (problem.code, problem.severity) == (code, Severity.WARNING)
    assert problem.message.startswith(message)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"preferRouters": ["fe80::2"]}, id="a preferred router, and all believed"),
        pytest.param(
            {"routers": ["fe80::1", "fe80::2"], "preferRouters": ["fe80::2"], "returnAfter": "0s"},
            id="one of two believed",
        ),
        pytest.param({"returnAfter": "never"}, id="a time to return, and all believed"),
    ],
)
def test_options_that_agree_are_no_problem(fields):
    assert problems(advertisement(**fields)) == []


def test_who_never_returns_has_no_time_for_it():
    specification, _ = read_specification(advertisement(returnAfter="never"))

    assert specification.acquisition.return_after is None


def test_a_name_may_have_253_characters():
    assert problems(document(name="a" * 253)) == []


def test_an_operators_dhcpv6_beside_advertisements_is_no_problem():
    content = document(
        acquisition={
            "dhcpv6pd": {"interface": "eth0"},
            "routerAdvertisement": {"interface": "eth0"},
        }
    )

    assert problems(content) == []


def acquisition_of(said):
    return read_specification(document(acquisition=said))[0].acquisition


@pytest.mark.parametrize(
    ("acquisition", "kernel"),
    [
        pytest.param({"kernel": {"interface": "eth0"}}, "eth0", id="alone"),
        pytest.param(
            {
                "kernel": {"interface": "eth0"},
                "routerAdvertisement": {"interface": "eth0", "enabled": False},
            },
            "eth0",
            id="beside advertisements that are off",
        ),
        pytest.param(
            {
                "kernel": {"interface": "eth0"},
                "routerAdvertisement": {"delegatedPrefixLength": 56},
            },
            "eth0",
            id="beside the length of the delegation",
        ),
        pytest.param(
            {
                "kernel": {"interface": "eth0"},
                "routerAdvertisement": {"interface": "eth1"},
                "file": {"path": "/run/prefix"},
            },
            "eth0",
            id="beside other sources",
        ),
        pytest.param({}, "", id="not named"),
    ],
)
def test_the_kernel_is_asked_unless_the_prefix_is_static(acquisition, kernel):
    assert acquisition_of(acquisition).watched_kernel == kernel
    assert problems(document(acquisition=acquisition)) == []


@pytest.mark.parametrize(
    ("acquisition", "links"),
    [
        pytest.param({"file": {"path": "/run/prefix"}}, set(), id="none"),
        pytest.param({"dhcpv6pd": {"interface": "eth0"}}, {"eth0"}, id="one"),
        pytest.param(
            {
                "routerAdvertisement": {"interface": "eth0"},
                "kernel": {"interface": "eth1"},
                "dhcpv6pd": {"interface": "eth2"},
            },
            {"eth0", "eth1", "eth2"},
            id="one a source",
        ),
    ],
)
def test_the_links_are_those_of_all_sources(acquisition, links):
    assert acquisition_of(acquisition).links == links


@pytest.mark.parametrize("path", ["/run/prefix", "/run/gitops prefix/eth0..txt", "/a", "/..a/.b"])
def test_a_file_is_an_absolute_path(path):
    assert acquisition_of({"file": {"path": path}}).watched_file == path
    assert problems(document(acquisition={"file": {"path": path}})) == []


@pytest.mark.parametrize(
    "path",
    ["", "/", "run", "/run/", "//run", "/run/../etc", "/..", "/./a", "/run/a\n", "/" + "a" * 4095],
)
def test_what_could_lead_elsewhere_is_no_path(path):
    [(_, message)] = problems(document(acquisition={"file": {"path": path}}))

    assert message.startswith("spec.acquisition.file.path: ")


def test_a_file_needs_its_path():
    [(code, message)] = problems(document(acquisition={"file": {}}))

    assert code == "missing-field"
    assert message == 'spec.acquisition.file.path: a file needs its path, as in "/run/prefix"'


@pytest.mark.parametrize(
    ("prefix_length", "acquisition", "fits"),
    [
        pytest.param(None, {}, False, id="a /64 is assumed until a prefix is known"),
        pytest.param(56, {}, True, id="the current prefix tells"),
        pytest.param(
            None, {"static": {"prefix": "2001:db8::/56"}}, True, id="the static prefix tells"
        ),
        pytest.param(
            64, {"static": {"prefix": "2001:db8::/56"}}, False, id="the current one first"
        ),
        pytest.param(
            None,
            {
                "dhcpv6pd": {"requestedPrefixLength": 56},
                "routerAdvertisement": {"interface": "eth0"},
            },
            True,
            id="an operator's request tells",
        ),
    ],
)
def test_suffixes_are_checked_against_the_prefix_there_will_be(prefix_length, acquisition, fits):
    pool = {"name": "pool", "start": "::1:0:0:0:0", "end": "::1:0:0:0:1"}
    found = problems(
        document(
            acquisition=acquisition,
            addressRanges=[{**pool, "start": "0:0:0:1::", "end": "0:0:0:1::1"}],
        ),
        prefix_length,
    )

    assert ("suffix-in-prefix" not in [code for code, _ in found]) is fits


@pytest.mark.parametrize(
    ("delegated", "prefix", "base"),
    [
        pytest.param(None, "2001:db8:0:ab12::/64", "2001:db8:0:ab12::/64", id="no delegation told"),
        pytest.param(56, "2001:db8:0:ab12::/64", "2001:db8:0:ab00::/56", id="a part of a /56"),
        pytest.param(
            64, "2001:db8:0:ab12::/64", "2001:db8:0:ab12::/64", id="the delegation itself"
        ),
        pytest.param(
            64, "2001:db8:0:ab00::/56", "2001:db8:0:ab00::/56", id="shorter than the delegation"
        ),
    ],
)
def test_subnets_are_carved_from_the_delegation(delegated, prefix, base):
    specification = Specification("home", Acquisition(delegated_length=delegated))

    assert specification.base(Prefix.parse(prefix)) == Prefix.parse(base)


json = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(max_size=4),
        st.sampled_from(["::1", "2001:db8::/64", "ha"]),
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "acquisition",
                    "routerAdvertisement",
                    "static",
                    "prefix",
                    "addressRanges",
                    "subnets",
                    "name",
                    "start",
                    "end",
                    "offset",
                    "transition",
                    "mode",
                    "bgp",
                    "within",
                    "interface",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(json, json)
def test_no_document_breaks_the_reading(spec, metadata):
    _, found = read_specification({"metadata": metadata, "spec": spec})

    assert all(problem.message for problem in found)


HOME = Delegation("home", "eth0", 64)


@pytest.mark.parametrize(
    ("said", "delegation"),
    [
        ({"dhcpv6pd": {"interface": "eth0"}}, HOME),
        (
            {"dhcpv6pd": {"interface": "eth0", "requestedPrefixLength": 60}},
            HOME._replace(length=60),
        ),
        (
            {
                "dhcpv6pd": {"interface": "eth0"},
                "routerAdvertisement": {"interface": "eth0", "delegatedPrefixLength": 56},
            },
            HOME._replace(length=56),
        ),
        (
            {
                "dhcpv6pd": {
                    "interface": "eth0",
                    "servers": ["FE80::1", "00:01:AA:bb", "000104"],
                    "duid": "0004AABB",
                    "releaseOnStop": True,
                }
            },
            HOME._replace(
                servers=("fe80::1", "00:01:aa:bb", "00:01:04"),
                duid="00:04:aa:bb",
                release_on_stop=True,
            ),
        ),
        ({"dhcpv6pd": {"interface": "eth0", "duid": ""}}, HOME),
        ({"routerAdvertisement": {"interface": "eth0"}}, None),
        ({"dhcpv6pd": {"interface": "eth0"}, "static": {"prefix": "2001:db8::/56"}}, None),
    ],
)
def test_what_is_asked_of_dhcpv6_servers(said, delegation):
    assert acquisition_of(said).watched_delegation == delegation


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"dhcpv6pd": {}}, "dhcpv6pd.interface: dhcpv6pd needs the link"),
        ({"dhcpv6pd": {"interface": "a/b"}}, "dhcpv6pd.interface: "),
        (
            {"dhcpv6pd": {"interface": "eth0", "servers": ["2001:db8::1"]}},
            'dhcpv6pd.servers[0]: "2001:db8::1" is neither link-local nor a DUID',
        ),
        (
            {"dhcpv6pd": {"interface": "eth0", "servers": ["box"]}},
            "dhcpv6pd.servers[0]: 'box' is not an IPv6 address",
        ),
        ({"dhcpv6pd": {"interface": "eth0", "duid": "00:04"}}, 'dhcpv6pd.duid: "00:04" is not a'),
        ({"dhcpv6pd": {"interface": "eth0", "duid": "00:04:a"}}, "dhcpv6pd.duid: "),
        ({"dhcpv6pd": {"interface": "eth0", "duid": "12345"}}, "dhcpv6pd.duid: "),
        ({"fritzbox": {"address": "8.8.8.8"}}, 'fritzbox.address: "8.8.8.8" is not the address'),
        ({"fritzbox": {"address": "127.0.0.1"}}, "fritzbox.address: "),
        ({"fritzbox": {"address": "router.example.org"}}, "fritzbox.address: "),
        ({"fritzbox": {"adress": "fritz.box"}}, "fritzbox.adress: "),
    ],
)
def test_a_source_that_is_wrong_is_named(said, message):
    [(_, found)] = problems(document(acquisition=said))
    assert found.startswith(f"spec.acquisition.{message}")


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ({"fritzbox": {}}, "fritz.box"),
        ({"fritzbox": {"address": "Fritz.Box"}}, "fritz.box"),
        ({"fritzbox": {"address": "192.168.178.1"}}, "192.168.178.1"),
        ({"fritzbox": {"address": "FD00::1"}}, "fd00::1"),
        ({"fritzbox": {"address": "fe80::1%eth0"}}, "fe80::1%eth0"),
        ({}, ""),
    ],
)
def test_a_box_that_is_asked(said, address):
    assert acquisition_of(said).watched_fritzbox == address


@pytest.mark.parametrize(
    ("said", "follows", "usual"),
    [
        ({"routerAdvertisement": {"interface": "eth0"}}, True, 64),
        ({"webhook": {}}, False, 64),
        ({"dhcpv6pd": {"interface": "eth0", "requestedPrefixLength": 56}}, False, 56),
        ({"static": {"prefix": "2001:db8::/48"}, "webhook": {}}, True, 48),
    ],
)
def test_what_a_daemon_that_does_not_lead_hears(said, follows, usual):
    acquisition = acquisition_of(said)
    assert (acquisition.says_to_followers, acquisition.usual_length) == (follows, usual)
    assert acquisition.speaks


@pytest.mark.parametrize("source", ["kernel", "file", "dhcpv6pd", "webhook", "fritzbox"])
def test_no_source_counts_beside_a_static_prefix(source):
    said = {
        "kernel": {"interface": "eth0"},
        "file": {"path": "/run/prefix"},
        "dhcpv6pd": {"interface": "eth0"},
        "webhook": {},
        "fritzbox": {},
    }
    content = document(acquisition={source: said[source], "static": {"prefix": "2001:db8::/64"}})
    [(code, message)] = problems(content)
    assert code == f"{source}-not-watched"
    assert "static is there, too, and always counts" in message


BALANCERS = {"name": "balancers", "offset": 16, "prefixLength": 64}
IN_A_SUBNET = {"name": "lb", "subnet": "balancers", "start": "::1000", "end": "::1fff"}


def test_a_range_may_lie_in_a_subnet():
    content = document(subnets=[BALANCERS], addressRanges=[IN_A_SUBNET])
    specification, found = read_specification(content, 56)
    assert found == ()
    [named] = specification.ranges
    assert named.subnet is not None
    assert named.subnet.name == "balancers"


@pytest.mark.parametrize(
    ("range_", "code"),
    [
        ({**IN_A_SUBNET, "subnet": "pods"}, "unknown-subnet"),
        ({**IN_A_SUBNET, "end": "0:0:0:1::"}, "suffix-in-prefix"),
    ],
)
def test_a_range_that_its_subnet_does_not_have(range_, code):
    content = document(subnets=[BALANCERS], addressRanges=[range_])
    assert [found for found, _ in problems(content, 56)] == [code]
