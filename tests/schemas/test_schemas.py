"""The shipped schemas say what the program reads, both ways."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from gitops_prefix.decide.reading import read_specification
from gitops_prefix.decide.status import status_document
from tests.decide.statuses import statuses
from tests.docs.dynamic_prefix import SPEC
from tests.examples.repositories import EXAMPLES, ROOT, documents, init, parse, repository
from tests.parts import require
from tests.schemas.crd import CRD, SCHEMA, definition

__all__ = ["repository"]

SHIPPED = json.loads(SCHEMA.read_text())
(WRITTEN,) = parse(CRD.read_text())
CLUSTER = WRITTEN["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
FORMATS = FormatChecker(["ipv6"])
BEYOND_A_SCHEMA = {
    "suffix-in-prefix", "range-reversed", "duplicate-name", "subnet-outside", "kernel-not-watched",
    "file-not-watched", "dhcpv6pd-not-watched", "webhook-not-watched", "fritzbox-not-watched", "unknown-subnet", "prefers-nobody", "returns-to-nobody",
    "admits-nothing",
}  # fmt: skip
"""Problems that compare one field with another, or are no slip of the file."""


def accepted(schema: dict, document: object) -> bool:
    return Draft202012Validator(schema, format_checker=FORMATS).is_valid(document)


def read(document: dict) -> list[str]:
    """The codes of what the program finds wrong, as far as a schema can know."""
    _, problems = read_specification(document)
    return [one.code for one in problems if one.code not in BEYOND_A_SCHEMA]


def document(spec: object) -> dict:
    return {
        "apiVersion": "dynamic-prefix.io/v1alpha1",
        "kind": "DynamicPrefix",
        "metadata": {"name": "home-ipv6"},
        "spec": spec,
    }


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SHIPPED)


def test_the_crd_is_made_of_the_schema():
    """`python -m tests.schemas.crd` writes it anew."""
    assert definition(SHIPPED) == WRITTEN


def nodes(schema: dict) -> Iterator[dict]:
    yield schema
    for one in schema.get("properties", {}).values():
        yield from nodes(one)
    if "items" in schema:
        yield from nodes(schema["items"])


def test_the_crd_is_structural():
    """A type everywhere, and none of what an API server refuses (apiextensions/v1)."""
    for node in nodes(CLUSTER):
        assert node["type"]
        assert not {"$ref", "$defs", "additionalProperties", "const", "oneOf"} & node.keys()
        # Go's regular expressions know no lookaround.
        assert "(?" not in node.get("pattern", "")
        if node.get("x-kubernetes-list-type") == "map":
            keys = node["x-kubernetes-list-map-keys"]
            assert set(keys) <= set(node["items"]["required"])


def leaves(schema: dict, path: str = "") -> Iterator[str]:
    if "items" in schema and "properties" in schema["items"]:
        schema, path = schema["items"], f"{path}[]"
    for key, one in schema.get("properties", {}).items():
        yield from leaves(one, f"{path}.{key}".lstrip("."))
    if not schema.get("properties"):
        yield path


def test_the_schema_has_the_fields_that_are_read_and_no_other():
    assert set(leaves(SHIPPED["properties"]["spec"])) == set(SPEC)


TEXTS = [
    "", "eth0", "a.b", ".", "..", "a/b", "a b", "x" * 15, "x" * 16, "lb", "-a", "a-", "A", "a" * 63, "a" * 64,
    "::", "::1", "::f000:0:0:0", "::g", "fe80::1", "febf::1", "fec0::1", "2001:db8::1", "fe80::1%eth0", "::1.2.3.4", "192.0.2.1",
    "2001:db8::/64", "::/0", "::/128", "::/129", "::/", "2001:db8::", "2001:db8::/064", "2000::/3", "2001::/16", "2000::/15",
    "0", "0s", "48h", "1.5h", "1h30m", "2d", "5", "-1s", "1 h", "lifetime", "never", "simple", "ha", "HA", "65001:100", "65001:", "x:y",
    "00:04:aa:bb", "00:04", "000", "0004aabb", "fritz.box", "FRITZ.box", "10.0.0.1", "8.8.8.8", "fd00::1",
    "/run/prefix", "/run/../etc", "/run/.", "//run", "/run/", "/", "/..a", "/a b",
]  # fmt: skip
NUMBERS = [-1, 0, 1, 10, 11, 15, 16, 64, 128, 129, 3600, 3601, (1 << 128) - 1, 1 << 128]
SCALARS = [*TEXTS, *NUMBERS, True, False, 0.5]


def drawn(schema: dict) -> st.SearchStrategy:
    """What may stand at a place of the schema: mostly right, sometimes not."""
    anything = st.sampled_from([*SCALARS, [], {}, [1], {"a": "b"}])
    if schema["type"] == "array":
        return st.one_of(st.lists(drawn(schema["items"]), max_size=2), anything)
    if schema["type"] == "object":
        fields = {key: drawn(one) for key, one in schema["properties"].items()}
        required = {key: fields[key] for key in schema.get("required", ())}
        optional = {key: one for key, one in fields.items() if key not in required}
        right = st.fixed_dictionaries(required, optional=optional)
        slip = st.fixed_dictionaries({}, optional={**fields, "naem": st.just("x")})
        return st.one_of(right, right, right, slip, anything)
    typed = {"string": TEXTS, "integer": NUMBERS, "boolean": [True, False]}[schema["type"]]
    right = st.sampled_from([one for one in typed if accepted(schema, one)])
    return st.one_of(right, right, right, st.sampled_from(SCALARS))


# Host bits in a prefix, and a form of address, are more than a pattern can say: no such text is drawn.
@given(drawn(SHIPPED["properties"]["spec"]))
def test_what_the_schema_accepts_is_read_without_a_problem_and_the_other_way_round(spec):
    assert accepted(SHIPPED, document(spec)) is (read(document(spec)) == [])


LEAVES = {
    "an interface": lambda value: {"acquisition": {"routerAdvertisement": {"interface": value}}},
    "one of several interfaces": lambda value: {"acquisition": {"routerAdvertisement": {"interfaces": [value]}}},
    "whether to listen": lambda value: {"acquisition": {"routerAdvertisement": {"enabled": value}}},
    "a router": lambda value: {"acquisition": {"routerAdvertisement": {"routers": [value]}}},
    "a preferred router": lambda value: {"acquisition": {"routerAdvertisement": {"preferRouters": [value]}}},
    "a time to return": lambda value: {"acquisition": {"routerAdvertisement": {"returnAfter": value}}},
    "a delegated length": lambda value: {"acquisition": {"routerAdvertisement": {"delegatedPrefixLength": value}}},
    "a filter": lambda value: {"acquisition": {"prefixFilter": {"within": [value]}}},
    "a static prefix": lambda value: {"acquisition": {"static": {"prefix": value}}},
    "a kernel's interface": lambda value: {"acquisition": {"kernel": {"interface": value}}},
    "a file": lambda value: {"acquisition": {"file": {"path": value}}},
    "a link of servers": lambda value: {"acquisition": {"dhcpv6pd": {"interface": value}}},
    "a length to ask for": lambda value: {"acquisition": {"dhcpv6pd": {"interface": "eth0", "requestedPrefixLength": value}}},
    "a server": lambda value: {"acquisition": {"dhcpv6pd": {"interface": "eth0", "servers": [value]}}},
    "a DUID": lambda value: {"acquisition": {"dhcpv6pd": {"interface": "eth0", "duid": value}}},
    "whether to release": lambda value: {"acquisition": {"dhcpv6pd": {"interface": "eth0", "releaseOnStop": value}}},
    "a webhook": lambda value: {"acquisition": {"webhook": value}},
    "a FRITZ!Box": lambda value: {"acquisition": {"fritzbox": {"address": value}}},
    "a name": lambda value: {"addressRanges": [{"name": value, "start": "::1", "end": "::2"}]},
    "a start": lambda value: {"addressRanges": [{"name": "a", "start": value, "end": "::2"}]},
    "an offset": lambda value: {"subnets": [{"name": "a", "offset": value, "prefixLength": 64}]},
    "a length": lambda value: {"subnets": [{"name": "a", "prefixLength": value}]},
    "a community": lambda value: {"subnets": [{"name": "a", "prefixLength": 64, "bgp": {"community": value}}]},
    "a mode": lambda value: {"transition": {"mode": value}},
    "a history": lambda value: {"transition": {"maxPrefixHistory": value}},
    "a window": lambda value: {"transition": {"stabilizationWindow": value}},
    "a retention": lambda value: {"transition": {"retention": value}},
    "a rate": lambda value: {"transition": {"maxChangesPerHour": value}},
}  # fmt: skip


@pytest.mark.parametrize("leaf", LEAVES.values(), ids=LEAVES)
def test_every_value_at_every_leaf_is_judged_alike(leaf):
    """The whole table at each place: where one says yes and the other no, it is named."""
    values = [*SCALARS, [], {}]
    apart = [
        one
        for one in values
        if accepted(SHIPPED, document(leaf(one))) is not (read(document(leaf(one))) == [])
    ]
    assert apart == []
    assert {accepted(SHIPPED, document(leaf(one))) for one in values} == {True, False}


@pytest.mark.parametrize("name", ["home", "a.b", "A", "a..b", "-a", "", 5, "a" * 253, "a" * 254])
def test_a_documents_name_is_judged_alike(name):
    named = document({}) | {"metadata": {"name": name}}
    assert accepted(SHIPPED, named) is (read(named) == [])


@given(statuses())
def test_a_status_that_is_written_is_what_the_schemas_say(status):
    whole = document({}) | {"status": status_document(status)}
    assert accepted(SHIPPED, whole)
    assert accepted(CLUSTER, whole)


def test_the_examples_and_what_init_writes_are_what_the_schemas_say(repository):
    (found,) = [one for _, one in documents(repository) if one["kind"] == "DynamicPrefix"]
    assert accepted(SHIPPED, found)
    assert accepted(CLUSTER, found)


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_rendered_is_too(name):
    golden = ROOT / "tests" / "golden" / "examples" / name / "second"
    (found,) = [one for _, one in documents(golden) if one["kind"] == "DynamicPrefix"]
    assert "status" in found
    assert accepted(SHIPPED, found)
    assert accepted(CLUSTER, found)


def test_init_names_the_schema_for_editors(tmp_path):
    text = (init(tmp_path) / "prefix.yaml").read_text()
    (line,) = [one for one in text.splitlines() if "yaml-language-server" in one]
    assert line.startswith("# yaml-language-server: $schema=https://")
    assert line.endswith(f"/{SCHEMA.relative_to(ROOT)}")


def operators(name: str) -> dict:
    require("shared")
    crd = ROOT.parent / "shared" / "crds" / "crd" / f"dynamic-prefix.io_dynamicprefixes.{name}.yaml"
    (theirs,) = parse(crd.read_text())
    return theirs["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


@pytest.mark.parametrize("operator", ["jr42", "pkizzle"])
def test_no_field_of_the_operators_is_pruned(operator):
    """In spec and in status: their documents stay whole in a cluster with our definition."""
    theirs = set(leaves(operators(operator)))
    assert theirs - set(leaves(CLUSTER)) == set()


@pytest.mark.parametrize("operator", ["jr42", "pkizzle"])
def test_what_the_operators_accept_and_we_read_both_schemas_accept(operator):
    theirs = operators(operator)["properties"]["spec"]

    @given(drawn(theirs))
    def check(spec: object) -> None:
        if accepted(theirs, spec) and not read(document(spec)):
            assert accepted(SHIPPED, document(spec))
            assert accepted(CLUSTER, document(spec))

    check()
