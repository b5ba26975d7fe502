"""What is wrong is said with its place, all of it in one run, and nothing is rendered."""

import pytest

from gitops_prefix.errors import Place
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import Settings
from gitops_prefix.render.targets import TARGETS
from tests.render.lists import GROUP, POOL
from tests.render.repository import PREFIX, problems_of

CASES = {
    "a name that nobody has": (
        POOL.replace("name: home", "name: hom"),
        'manifest.yaml:5:41 unknown-dynamic-prefix: DynamicPrefix "hom" is not in the repository '
        '(it has: home). Did you mean "home"?',
    ),
    "a range that is not there": (
        POOL.replace("address-range: lb", "address-range: bl"),
        'manifest.yaml:5:80 unknown-address-range: address-range "bl" is not in DynamicPrefix home '
        "(it has: lb, odd)",
    ),
    "a subnet that is not there": (
        POOL.replace("address-range: lb", "subnet: pods"),
        'manifest.yaml:5:73 unknown-subnet: subnet "pods" is not in DynamicPrefix home (it has: low)',
    ),
    "a range and a subnet": (
        POOL.replace("address-range: lb", "address-range: lb, dynamic-prefix.io/subnet: low"),
        "manifest.yaml:5:110 range-and-subnet: metadata.annotations: dynamic-prefix.io/subnet is "
        "beside dynamic-prefix.io/address-range: keep one of the two",
    ),
    "no name": (
        POOL.replace("dynamic-prefix.io/name: home, ", ""),
        "manifest.yaml:5:50 missing-name: metadata.annotations: dynamic-prefix.io/address-range needs "
        "dynamic-prefix.io/name too, which names the DynamicPrefix",
    ),
    "a name that is a number": (
        POOL.replace("name: home", "name: 5"),
        "manifest.yaml:5:41 wrong-type: metadata.annotations: dynamic-prefix.io/name 5 is not a string: "
        "write it in quotes",
    ),
    "a name that is a word of YAML": (
        POOL.replace("name: home", "name: true"),
        "manifest.yaml:5:41 wrong-type: metadata.annotations: dynamic-prefix.io/name true is not a string: "
        "write it in quotes",
    ),
    "a name that was forgotten": (
        POOL.replace("name: home", "name: "),
        "manifest.yaml:5:41 wrong-type: metadata.annotations: dynamic-prefix.io/name has no value behind "
        "its colon: write one, or remove it",
    ),
    "YAML that does not parse": (
        POOL + "spec: [\n",
        "manifest.yaml:7:1 not-yaml: does not parse as YAML, and has a managed field: did not "
        "find expected node content while parsing a flow node",
    ),
    "a character that YAML forbids": (
        POOL + "a: \x01\n",
        "manifest.yaml:6:4 not-yaml: does not parse as YAML, and has a managed field: "
        "a character that YAML does not allow",
    ),
    "nested too deep": (
        POOL + "a: " + "[" * 300,
        "manifest.yaml:6:203 not-yaml: does not parse as YAML, and has a managed field: nested "
        "deeper than 200 levels",
    ),
    "a key twice": (
        GROUP + "spec: {}\nspec: {}\n",
        'manifest.yaml:7:1 duplicate-key: "spec" is here twice in one mapping: keep one of them',
    ),
    "a list through an alias": (
        GROUP + "x: &x [10.0.0.0/8]\nspec:\n  externalCIDRs: *x\n",
        "manifest.yaml:8:18 edit-refused: spec.externalCIDRs is an alias: write the list itself here",
    ),
    "a list that a merge brings": (
        GROUP + "x: &x\n  externalCIDRs: [10.0.0.0/8]\nspec:\n  <<: *x\n",
        "manifest.yaml:9:3 edit-refused: spec.externalCIDRs comes from a merge (`<<`): write it "
        "out here",
    ),
    "an entry that will not follow, by an alias": (
        GROUP + "spec:\n  a: &a 2001:db8:a::1\n  externalCIDRs: [*a]\n",
        "manifest.yaml:8:19 will-not-follow: spec.externalCIDRs: 2001:db8:a::1 lies inside a prefix "
        "that changes, and will not follow it",
    ),
    "a string where a list belongs": (
        GROUP + "spec:\n  externalCIDRs: none\n",
        "manifest.yaml:7:18 edit-refused: spec.externalCIDRs is not a list: write one, or remove it",
    ),
    "a line break of another age": (
        GROUP + 'spec:\n  externalCIDRs: []\n  a: "b\u2028c"\n',
        "manifest.yaml:8:8 edit-refused: spec.externalCIDRs cannot be edited: '\\u2028' is "
        "here, which YAML parsers read differently: remove it; lines end with LF or CRLF",
    ),
    "a dash behind a lone carriage return": (
        GROUP + "spec:\n  externalCIDRs:\n\r    - 10.0.0.0/8\n    - 10.1.0.0/16\n",
        "manifest.yaml:9:7 edit-refused: does not begin on a line of its own: move it to a new line",
    ),
    "a list on the line of its key": (
        GROUP + "spec:\n  ? externalCIDRs\n  : - 10.0.0.0/8\n    - 10.1.0.0/16\n",
        "manifest.yaml:8:5 edit-refused: does not begin on a line of its own: move it to a new line",
    ),
    "an overlap": (
        POOL + "spec:\n  blocks:\n    - cidr: 2001:db8:a:0:f000::/70\n",
        "manifest.yaml:8:7 overlap: spec.blocks: cidr 2001:db8:a:0:f000::/70 overlaps what "
        "2001:db8:a::/64 gives here: remove it, or move it out of the range",
    ),
    "an entry that will not follow": (
        POOL + "spec:\n  blocks:\n    - start: 2001:db8:a::1\n",
        "manifest.yaml:8:7 will-not-follow: spec.blocks: start 2001:db8:a::1 lies inside a prefix "
        "that changes, and will not follow it",
    ),
    "an old version": (
        POOL.replace("cilium.io/v2", "cilium.io/v2alpha1"),
        "manifest.yaml:1:13 old-api-version: cilium.io/v2alpha1 is deprecated: write cilium.io/v2",
    ),
    "a newer version": (
        POOL.replace("cilium.io/v2", "cilium.io/v3"),
        "manifest.yaml:1:13 unknown-api-version: cilium.io/v3 is unknown to gitops-prefix, which "
        "reads it as v2",
    ),
    "an entry of two families": (
        POOL + "spec:\n  blocks:\n    - start: 10.0.0.1\n      stop: 2001:db8:a::1\n    - 5\n"
        "    - cidr: 2001:db8:a::/72\n",
        "manifest.yaml:11:7 will-not-follow: spec.blocks: cidr 2001:db8:a::/72 lies inside a prefix "
        "that changes, and will not follow it",
    ),
    "a slip of the pen": (
        GROUP.replace("address-range:", "adress-range:"),
        "manifest.yaml:5:79 unknown-annotation: gitops-prefix reads no annotation "
        'dynamic-prefix.io/adress-range. Did you mean "dynamic-prefix.io/address-range"?',
    ),
    **{
        f"the operator's {record}": (
            POOL.replace("address-range: lb", f"address-range: lb, dynamic-prefix.io/{record}: x"),
            f"manifest.yaml:5:{104 + len(record)} operator-annotation: dynamic-prefix.io/{record} is "
            "a record of the operator, which nothing reads here: remove it",
        )
        for record in ("last-sync", "managed-blocks", "managed-cidrs", "managed-ips")
    },
    "a kind of another group": (
        POOL.replace("cilium.io/v2", "v1"),
        'manifest.yaml:5:41 kind-not-managed: v1 CiliumLoadBalancerIPPool "p" has no field that '
        "gitops-prefix writes: write apiVersion: cilium.io/v2 and kind: CiliumLoadBalancerIPPool; "
        "it stays as it is",
    ),
    "a kind in another case": (
        GROUP.replace("CIDRGroup", "CidrGroup"),
        'manifest.yaml:5:41 kind-not-managed: cilium.io/v2 CiliumCidrGroup "p" has no field that '
        "gitops-prefix writes: write apiVersion: cilium.io/v2 and kind: CiliumCIDRGroup; it stays "
        "as it is",
    ),
    "a kind without a field of ours": (
        POOL.replace("cilium.io/v2", "v1").replace("CiliumLoadBalancerIPPool", "Secret"),
        'manifest.yaml:5:41 kind-not-managed: v1 Secret "p" has no field that gitops-prefix writes '
        f"(it knows: {', '.join(one.kind for one in TARGETS)}); it stays as it is",
    ),
}


@pytest.mark.parametrize(("manifest", "message"), CASES.values(), ids=CASES)
def test_it_is_said_where_and_how_to_mend_it(manifest: str, message: str):
    assert problems_of(manifest) == [message]


def test_all_errors_come_in_one_run():
    """Not only the first: two documents, three slips."""
    first = POOL.replace("address-range: lb", "address-range: x")
    second = GROUP.replace("name: home", "name: nobody")
    codes = [line.split()[1] for line in problems_of(f"{first}---\n{second}---\n{first}")]
    assert codes == ["unknown-address-range:", "unknown-dynamic-prefix:", "unknown-address-range:"]


@pytest.mark.parametrize(
    "comment",
    [
        "# dynamic-prefix.io/name is not used",
        "a: 1 # see dynamic-prefix.io/x",
        "# dynamicprefix.io/name",
    ],
)
def test_a_template_that_only_mentions_an_annotation_is_left_alone(comment: str):
    template = f"{comment}\n{{{{- if .Values.x }}}}\na: b\n{{{{- end }}}}\n"
    assert problems_of(template) == []
    annotated = f"{template}dynamic-prefix.io/name: home\n"
    assert [line.split()[1] for line in problems_of(annotated)] == ["not-yaml:"]


def test_a_file_in_another_encoding_is_refused():
    """With the byte that UTF-8 does not have."""
    text = GROUP.encode() + b"x: \xff\n"
    (problem,) = read_inventory({"a.yaml": text}, Settings()).problems
    line = GROUP.count("\n") + 1
    assert (problem.code, problem.place) == ("not-utf8", Place("a.yaml", line, 4))
    assert f"(byte {len(GROUP) + 3})" in problem.message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_of_utf16_is_named_at_its_begin(encoding):
    """As PowerShell's `>` writes it, with its mark or without."""
    text = "metadata: {annotations: {dynamic-prefix.io/name: home}}\n"
    (problem,) = read_inventory({"a.yaml": text.encode(encoding)}, Settings()).problems
    assert (problem.code, problem.place) == ("not-utf8", Place("a.yaml", 1, 1))
    assert "UTF-16" in problem.message


def test_a_dynamic_prefix_has_a_name_of_its_own():
    """The second one is refused, with the place of the first."""
    (problem,) = read_inventory({"a.yaml": PREFIX, "b.yaml": PREFIX}, Settings()).problems
    assert problem.code == "duplicate-dynamic-prefix"
    assert str(problem) == (
        'b.yaml:4:9: DynamicPrefix "home" is also in a.yaml:4:9: rename or remove one'
    )


NOTHING_TO_SAY = {
    "comments alone": "# dynamic-prefix.io/name: home\n---\n# x\n",
    "a name of ours in a string": "a: dynamic-prefix.io/name\n",
}


@pytest.mark.parametrize("manifest", NOTHING_TO_SAY.values(), ids=NOTHING_TO_SAY)
def test_nothing_is_said_of_what_is_right(manifest: str):
    assert problems_of(manifest) == []


def test_what_is_not_managed_may_be_anything():
    """A Helm template without an annotation is left alone, wherever it stands."""
    assert problems_of("{{- if .Values.on }}\nkind: [\n{{- end }}\n") == []
    assert problems_of(GROUP + "---\n{{- range }}\n") == []
