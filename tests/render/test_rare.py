"""What is rare in manifests, and all the same has one outcome: a row for each."""

import re

import pytest

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import PrefixSource, Status
from gitops_prefix.errors import InputError
from gitops_prefix.render.binding import Change, change_document
from gitops_prefix.render.files import is_gits_own, looks_managed
from gitops_prefix.render.inventory import Described
from gitops_prefix.render.parse import MOST_NODES, locate
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import find_drift
from gitops_prefix.render.settings import Settings, read_settings
from gitops_prefix.render.source import Edit, splice
from tests.render.calico import POOL as CALICO
from tests.render.lists import GROUP, POOL
from tests.render.repository import NOON, PREFIX, A, B, problems_of, render_all, render_once

LIST = '{"$dynamicprefix": "home:lb:cidrs"}'
ADDRESSES = '{"$dynamicprefix": "home:addresses:::1"}'
WHOLE = '{"$dynamicprefix": "home:prefix"}'
REFERENCE = "{dynamic-prefix.io/name: home, dynamic-prefix.io/address-range: lb}"
METALLB = f"""\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: p
  annotations: {REFERENCE}
spec:
  addresses: [5, 192.0.2.1]
"""
BGP = """\
apiVersion: cilium.io/v2
kind: CiliumBGPAdvertisement
metadata:
  name: a
  annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/subnet: low}
spec:
  advertisements: [5]
"""

PROBLEMS = {
    "a DynamicPrefix that is there twice": (
        PREFIX.decode(),
        ['duplicate-dynamic-prefix: DynamicPrefix "home" is also in home.yaml:4:9: rename or remove one'],
    ),
    "a document of comments": (f"---\n# dynamic-prefix.io/name\n---\n{POOL}", []),
    "a List whose items have other annotations": (
        "kind: List\nitems:\n- metadata:\n    annotations: {a: b}\n# dynamic-prefix.io/name\n", [],
    ),
    "a List with a managed item": (
        f"kind: List\nitems:\n- metadata:\n    annotations: {REFERENCE}\n",
        [
            "in-a-list: items[0] would be managed, but is inside a List; it stays as it is: give it a "
            "document of its own, behind `---`"
        ],
    ),
    "a version that nobody knows": (
        POOL.replace("cilium.io/v2", "cilium.io/v9"),
        ["unknown-api-version: cilium.io/v9 is unknown to gitops-prefix, which reads it as v2"],
    ),
    "two marked values of one key": (
        f"a: 0::/0 # {WHOLE}\na: 0::/1 # {WHOLE}\n",
        [
            'duplicate-key: "a" is here twice in one mapping: keep one of them',
            "marker-misplaced: marker: a has another marker already: keep one",
        ],
    ),
    "a marker behind a value and a key": (
        f"{{a: 1, c: # {WHOLE}\n x}}\n",
        [
            "marker-misplaced: marker: follows no value: write it behind the value or the key, on the "
            "same line"
        ],
    ),
    "a merge of what is no mapping": (f"{GROUP}x: {{<<: [5]}}\n", []),
    "a list behind an explicit key": (
        f"{GROUP}spec:\n  ? externalCIDRs\n  : - 10.0.0.0/8\n",
        ["edit-refused: does not begin on a line of its own: move it to a new line"],
    ),
    "a pool of Calico with a range that is not there": (
        CALICO.replace("range: lb", "range: nope"),
        ['unknown-address-range: address-range "nope" is not in DynamicPrefix home (it has: lb, odd)'],
    ),
    "more values than are read": (
        f"{GROUP}a: [{'1,' * MOST_NODES}]\n",
        [
            "not-yaml: does not parse as YAML, and has a managed field: more than "
            f"{MOST_NODES} values in one document"
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("manifest", "expected"), PROBLEMS.values(), ids=PROBLEMS)
def test_is_reported_or_is_fine(manifest: str, expected: list[str]):
    assert [problem.partition(" ")[2] for problem in problems_of(manifest)] == expected


RENDERED = {
    "a marked list without a value": (
        f"a: # {LIST}\nb: 1\n", f'a: # {LIST}\n  - "2001:db8:b:0:f000::/68"\nb: 1\n',
    ),
    "marked addresses without a value": (
        f"a: # {ADDRESSES}\nb: 1\n",
        f'a: # {ADDRESSES}\n  - "2001:db8:b::1"\n  - "2001:db8:a::1"\nb: 1\n',
    ),
    "blocks that are not mappings": (
        f"{POOL}spec:\n  blocks: [weird]\n",
        f'{POOL}spec:\n  blocks: [{{start: "2001:db8:b:0:f000::", stop: "2001:db8:b:0:ffff:ffff:ffff:ffff"}}, '
        '{start: "2001:db8:a:0:f000::", stop: "2001:db8:a:0:ffff:ffff:ffff:fffe"}, weird]\n',
    ),
    "addresses that are not strings": (
        METALLB,
        METALLB.replace(
            "[5", '["2001:db8:b:0:f000::-2001:db8:b:0:ffff:ffff:ffff:ffff", '
            '"2001:db8:a:0:f000::-2001:db8:a:0:ffff:ffff:ffff:ffff", 5'
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), RENDERED.values(), ids=RENDERED)
def test_is_rendered(before: str, after: str):
    assert render_all(before, A, B) == after


BLOCK = """\
  annotations:
    dynamic-prefix.io/name: home
    dynamic-prefix.io/address-range: lb
"""


@pytest.mark.parametrize("flow", [REFERENCE, re.sub(r"\{(.*), (.*)\}", r"{\2, \1}", REFERENCE)])
def test_a_copy_of_a_pool_has_no_range_whatever_comes_first_in_braces(flow: str):
    text = render_all(CALICO.replace(BLOCK, f"  annotations: {flow}\n"), A, B)
    assert text.endswith(
        "  annotations: {dynamic-prefix.io/parent-pool: pods}\nspec:\n"
        '  cidr: "2001:db8:a:0:f000::/68"\n  disabled: true\n'
    )


SHARED = {
    "all annotations": (
        CALICO.replace(BLOCK, "  annotations: *x\n").replace("metadata:", f"x: &x {REFERENCE}\nmetadata:"),
        "metadata.annotations comes from elsewhere: write it out here",
    ),
    "the range": (
        CALICO.replace("    dynamic-prefix.io/address-range: lb\n", "    <<: *x\n").replace(
            "metadata:", "x: &x {dynamic-prefix.io/address-range: lb}\nmetadata:"
        ),
        "dynamic-prefix.io/address-range comes from a merge (`<<`): write it out here",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("manifest", "message"), SHARED.values(), ids=SHARED)
def test_a_pool_that_shares_annotations_is_not_copied(manifest: str, message: str):
    files = {"home.yaml": PREFIX, "manifest.yaml": manifest.encode()}
    files |= render_once(files, A).files
    problems = render_once(files, B, 1).problems
    assert [(problem.code, problem.message) for problem in problems] == [("edit-refused", message)]


def test_an_advertisement_that_is_not_a_mapping_is_passed_over():
    home = PREFIX.replace(b"72}", b"72, bgp: {advertise: true, community: '65000:100'}}")
    pair = BGP.replace("[5]", "[5, {advertisementType: Service}]")
    rendered = render_once({"home.yaml": home, "manifest.yaml": pair.encode()}, A)
    assert rendered.problems == ()
    assert b"65000:100" in rendered.files["manifest.yaml"].partition(b"[5, ")[2]


def test_a_prefix_that_ends_inside_of_a_group_has_no_network():
    said = problems_of(
        'a: 2001:db8 # {"$dynamicprefix": "home:network"}\n', Prefix.parse("2001:db8:b::/60")
    )
    assert [problem.partition(" ")[2] for problem in said] == [
        "edit-refused: marker: network gives whole groups of 16 bits, and 2001:db8:b::/60 ends inside "
        "of one: use prefix"
    ]


def test_a_status_key_without_a_value_at_the_very_end_is_filled():
    files = {"home.yaml": PREFIX + b"status:"}
    rendered = render_once(files, A).files["home.yaml"]
    assert rendered.startswith(PREFIX + b'status:\n  currentPrefix: "2001:db8:a::/64"\n')
    assert not rendered.endswith(b"\n")


SETTINGS = {
    "no file": (None, Settings().dns_annotation_prefixes),
    "prefixes of annotations": (
        b"externalDNS: {annotationPrefixes: [a.example.com/]}\n", ("a.example.com/",),
    ),
    "nothing": (b"", Settings().dns_annotation_prefixes),
    "a list": (b"[]\n", Settings().dns_annotation_prefixes),
}  # fmt: skip


@pytest.mark.parametrize(("content", "prefixes"), SETTINGS.values(), ids=SETTINGS)
def test_settings_are_read(content: bytes | None, prefixes: tuple[str, ...]):
    assert read_settings(content).dns_annotation_prefixes == prefixes


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        pytest.param(b"a: [\n", "config-not-yaml", 2, id="not YAML"),
        pytest.param(b"a: \xff\n", "config-not-yaml", 0, id="not UTF-8"),
        pytest.param(b"externalDNS: 5\n", "wrong-type", 1, id="a number for a mapping"),
    ],
)
def test_settings_that_are_wrong_are_refused(content: bytes, code: str, line: int):
    with pytest.raises(InputError) as error:
        read_settings(content)
    (problem,) = error.value.problems
    assert (problem.code, problem.place.line) == (code, line)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        (".git", True), (".GIT", True), (".git. ", True), ("git~1", True), (".g\u200cit", True),
        (".", True), ("..", True), (".gitignore", False), ("git", False), ("a", False),
    ],
)  # fmt: skip
def test_what_some_file_system_takes_for_gits_own(name: str, own: bool):
    assert is_gits_own(name) is own


@pytest.mark.parametrize(
    ("content", "managed"), [(GROUP.encode(), True), (LIST.encode(), True), (b"kind: Pod\n", False)]
)
def test_a_byte_search_finds_what_is_parsed(content: bytes, managed: bool):
    assert looks_managed(content, "a.yaml") is managed


def test_edits_that_overlap_are_a_mistake():
    with pytest.raises(ValueError, match="overlapping edits at 1"):
        splice("abc", [Edit(0, 2, ""), Edit(1, 3, "")])


def test_a_second_document_is_not_the_root():
    (key, _), *_ = locate("a: 1\n---\nb: 2\n").entries
    assert key.text == "a"


def test_a_change_as_json_has_no_version_of_the_api():
    change = Change("a.yaml", 1, "Pod", "", "p", "spec.x", None, "y", "v1")
    assert change_document(change) == {
        key: value
        for key, value in change._asdict().items()
        if key not in {"api_version", "aliases"}
    }


def test_a_summary_as_json():
    status = Status(A, PrefixSource.ROUTER_ADVERTISEMENT, NOON)
    document = Described("home", "home.yaml", status).document()
    assert (document["current"], document["acquired_at"]) == (
        "2001:db8:a::/64",
        "2026-11-24T12:00:00Z",
    )
    waiting = Described("home", "home.yaml", None).document()
    assert (waiting["name"], waiting["current"], waiting["source"]) == ("home", None, None)


@pytest.mark.parametrize(
    ("manifest", "paths"),
    [
        (POOL, [("spec", "blocks")]),
        (CALICO, [("spec", "cidr")]),
    ],
)
def test_the_paths_of_a_field_in_a_cluster(manifest: str, paths: list[tuple[str, ...]]):
    files = {"home.yaml": PREFIX, "manifest.yaml": manifest.encode()}
    bindings = read_inventory(files, Settings()).bindings
    assert [path for binding in bindings for path in binding.fields_in_cluster] == paths


DRIFT = {
    "a block": (f"{POOL}spec:\n  blocks: []\n", r"start: .*\n.*", 'cidr: "2001:db8:a:0:1::/80"', True),
    "addresses beside a number": (METALLB, r'".*"', '"2001:db8:a:0:1::/80"', True),
    "text that is like an address": (
        f"{GROUP}spec:\n  externalCIDRs: [1:2:3:4:5:6:7:8:9]\n", '".*", ', "", False,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("manifest", "old", "new", "by_hand"), DRIFT.values(), ids=DRIFT)
def test_an_edit_of_a_managed_field_is_known_by_an_address(manifest, old, new, by_hand):
    files = {"home.yaml": PREFIX, "manifest.yaml": manifest.encode()}
    files |= render_once(files, A).files
    text = files["manifest.yaml"].decode()
    files["manifest.yaml"] = re.sub(old, new, text).encode()
    drift = find_drift(read_inventory(files, Settings()))
    assert (len(drift.by_hand), len(drift.first)) == ((1, 0) if by_hand else (0, 1))


def test_a_duplicate_behind_a_comment_is_removed_and_the_comment_stays():
    again = (
        f'{GROUP}spec:\n  externalCIDRs: ["2001:db8:a:0:f000::/68", 192.0.2.0/24, # mine\n  %s]\n'
    )
    assert render_all(again % "2001:db8:a:0:f000::/68", A) == again % ""
