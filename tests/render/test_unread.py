"""Keys that look like ours and that nothing reads are named, wherever they stand."""

import pytest

from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import Settings
from tests.render.lists import GROUP, POOL
from tests.render.repository import PREFIX

MINE = "dynamic-prefix.io/name: home"
OBJECT = "apiVersion: v1\nkind: Thing\nmetadata:\n  name: t\n"
ELSEWHERE = "annotation-elsewhere"


def found(text: str) -> list[tuple[str, int, str]]:
    """Each problem of a file beside a DynamicPrefix: code, line and words."""
    inventory = read_inventory({"home.yaml": PREFIX, "t.yaml": text.encode()}, Settings())
    assert all(problem.place.path == "t.yaml" for problem in inventory.problems)
    return [(each.code, each.place.line, each.message) for each in inventory.problems]


ROWS = {
    "Helm values without a range": (
        f"{OBJECT}spec: {{values: {{app: {{annotations: {{{MINE}}}}}}}}}\n",
        (ELSEWHERE, 5, "in spec.values.app.annotations: nothing reads that there"),
    ),
    "a label": (
        f"{OBJECT}  labels: {{{MINE}}}\n",
        (ELSEWHERE, 5, "in metadata.labels: nothing reads that there; write them below metadata"),
    ),
    "metadata itself": (
        f"{OBJECT}  {MINE}\n",
        (ELSEWHERE, 5, "in metadata: nothing reads that there; write them below"),
    ),
    "the document itself": (
        f"{OBJECT}{MINE}\n",
        (ELSEWHERE, 5, "in the document itself: nothing reads that there"),
    ),
    "the document's annotations": (
        f"{OBJECT}annotations:\n  {MINE}\n",
        (ELSEWHERE, 6, "write them below metadata.annotations"),
    ),
    "annotations without an end": (
        f"{OBJECT}  annotation:\n    {MINE}\n",
        (ELSEWHERE, 6, "write them below metadata.annotations"),
    ),
    "annotations as a list": (
        f"{OBJECT}  annotations:\n  - {MINE}\n",
        (ELSEWHERE, 6, "without the dash"),
    ),
    "an annotation of the spec": (
        f"{OBJECT}spec:\n  annotations:\n    {MINE}\n",
        (ELSEWHERE, 7, "write them below metadata.annotations"),
    ),
    "a pod's": (
        f"{OBJECT}spec:\n  template:\n  - metadata:\n      annotations:\n        {MINE}\n",
        (ELSEWHERE, 9, "in spec.template[0].metadata.annotations"),
    ),
    "a chart's": (
        f"{OBJECT}spec:\n  values:\n    {MINE}\n",
        (ELSEWHERE, 7, "any other value follows by a marker (docs/markers.md)"),
    ),
    "kustomize's common annotations": (
        f"kind: Kustomization\ncommonAnnotations:\n  {MINE}\n",
        (ELSEWHERE, 3, "kustomize adds them later"),
    ),
    "an inline patch": (
        f"kind: Kustomization\npatches:\n- patch: |-\n    metadata:\n      annotations:\n        {MINE}\n",
        (ELSEWHERE, 3, "dynamic-prefix.io/name in the text of patches[0].patch"),
    ),
    "an inline patch by operations": (
        "kind: Kustomization\npatches:\n- patch: |-\n    - op: add\n"
        "      path: /metadata/annotations/dynamic-prefix.io~1name\n      value: home\n",
        (ELSEWHERE, 3, "dynamic-prefix.io/name in the text of patches[0].patch"),
    ),
    "a patch that is JSON": (
        "kind: Kustomization\npatches:\n"
        '- patch: \'[{"op":"add","path":"/metadata/labels/dynamic-prefix.io~1suffix","value":""}]\'\n',
        (ELSEWHERE, 3, "dynamic-prefix.io/suffix in the text of patches[0].patch"),
    ),
    "a patch in braces": (
        f"kind: Kustomization\npatches:\n- patch: |-\n    metadata: {{annotations: {{{MINE}}}}}\n",
        (ELSEWHERE, 3, "dynamic-prefix.io/name in the text of patches[0].patch"),
    ),
    "a file of operations": (
        "- op: add\n  path: /metadata/annotations/dynamic-prefix.io~1name\n  value: home\n",
        (ELSEWHERE, 2, "dynamic-prefix.io/name in the text of [0].path"),
    ),
    "a key as JSON pointers write it": (
        f"{OBJECT}  annotations: {{dynamic-prefix.io~1name: home}}\n",
        ("unknown-annotation", 5, "write dynamic-prefix.io/name"),
    ),
    "a misspelt domain": (
        POOL.replace("dynamic-prefix.io/name", "dynamicprefix.io/name").replace(
            "dynamic-prefix.io/address", "Dynamic-Prefix.io/address"
        ),
        ("unknown-annotation", 5, "reads no dynamicprefix.io/name: write dynamic-prefix.io/name"),
    ),
    "a misspelt domain in values": (
        f"{OBJECT}spec:\n  dynamic-prefixes.io/suffix: '::1'\n",
        ("unknown-annotation", 6, "write dynamic-prefix.io/suffix"),
    ),
    "a misspelt annotation of a kind that nothing manages": (
        f"{OBJECT}  annotations: {{dynamic-prefix.io/sufix: '::1'}}\n",
        ("unknown-annotation", 5, "dynamic-prefix.io/sufix"),
    ),
    "another spelling of the kind": (
        "apiVersion: dynamic-prefix.io/v1alpha1\nkind: Dynamicprefix\nmetadata: {name: x}\n",
        ("not-a-dynamic-prefix", 2, 'Dynamicprefix "x" is read by nothing'),
    ),
    "another version": (
        "apiVersion: dynamic-prefix.io/v1\nkind: DynamicPrefix\nmetadata: {name: x}\n",
        ("not-a-dynamic-prefix", 1, "write apiVersion: dynamic-prefix.io/v1alpha1"),
    ),
    "a misspelt group": (
        "apiVersion: dynamicprefix.io/v1alpha1\nkind: DynamicPrefixes\nmetadata: {name: x}\n",
        ("not-a-dynamic-prefix", 2, "is read by nothing"),
    ),
    "no version at all": (
        "kind: DynamicPrefix\nmetadata: {name: x}\n",
        ("not-a-dynamic-prefix", 1, '? DynamicPrefix "x" is read by nothing'),
    ),
}


@pytest.mark.parametrize(("text", "expected"), ROWS.values(), ids=ROWS)
def test_what_nothing_reads_is_named_with_its_place_and_a_remedy(text, expected):
    code, line, words = expected
    problems = found(text)
    assert problems[0][:2] == (code, line)
    assert any(words in message for _, _, message in problems), problems
    assert {each[0] for each in problems} == {code}


SERVICE = f"apiVersion: v1\nkind: Service\nmetadata:\n  name: s\n  annotations: {{{MINE}, %s}}\n"
ROUTE = "dynamic-prefix.io/service-address-range: lb"
METALLB = POOL.replace("cilium.io/v2", "metallb.io/v1beta1").replace(
    "CiliumLoadBalancerIPPool", "IPAddressPool"
)
BGP = POOL.replace("CiliumLoadBalancerIPPool", "CiliumBGPAdvertisement").replace(
    "address-range: lb", "subnet: low, dynamic-prefix.io/address-range: lb"
)


def with_also(manifest: str, also: str) -> str:
    return manifest.replace("address-range: lb}", f"address-range: lb, dynamic-prefix.io/{also}}}")


UNUSED = {
    "the range of a Service on a group": (
        with_also(POOL, "service-subnet: x"), "no effect on kind CiliumLoadBalancerIPPool: write dynamic-prefix.io/subnet (it",
    ),
    "a range twice": (
        with_also(POOL, "service-address-range: x"), "no effect on kind CiliumLoadBalancerIPPool: remove it (it reads",
    ),
    "a suffix on a pool": (with_also(POOL, 'suffix: "::1"'), "suffix has no effect on kind CiliumLoadBalancerIPPool: remove it (it reads"),
    "a Service's range on a pool": (with_also(POOL, "service-address-range: lb"), "service-address-range has no effect"),
    "a Service's subnet on a group": (with_also(GROUP, "service-subnet: low"), "no effect on kind CiliumCIDRGroup"),
    "variables on a pool": (with_also(POOL, 'variables: "true"'), "variables has no effect"),
    "a parent on a pool of Cilium": (with_also(POOL, "parent-pool: p"), "parent-pool has no effect"),
    "a switch of Services on a pool of MetalLB": (
        with_also(METALLB, 'ipv6-only: "true"'), "ipv6-only has no effect on kind IPAddressPool",
    ),
    "a range on an advertisement": (BGP, "address-range has no effect on kind CiliumBGPAdvertisement"),
    "variables on a Service": (
        SERVICE % f'{ROUTE}, dynamic-prefix.io/variables: "true"', "variables has no effect on kind Service",
    ),
    "two ranges on a Service": (
        SERVICE % f"{ROUTE}, dynamic-prefix.io/address-range: odd",
        "address-range is not read beside dynamic-prefix.io/service-address-range: remove it",
    ),
    "an annotation that only says how": (
        SERVICE.replace(f"{MINE}, %s", 'dynamic-prefix.io/ipv6-only: "true"'),
        "ipv6-only has no effect without dynamic-prefix.io/name: add that",
    ),
    "a DynamicPrefix that is annotated": (
        PREFIX.decode().replace("name: home\n", f"name: other\n  annotations: {{{MINE}}}\n"),
        "name has no effect on kind DynamicPrefix: remove it",
    ),
    "in the values of a chart": (
        f'{OBJECT}spec: {{values: {{a: {{{MINE}, {ROUTE}, dynamic-prefix.io/variables: "true"}}}}}}\n',
        "variables has no effect on kind Service",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), UNUSED.values(), ids=UNUSED)
def test_an_annotation_without_effect_is_named(text, words):
    problems = [message for code, _, message in found(text) if code == "unused-annotation"]
    assert len(problems) == 1
    assert words in problems[0]


def test_a_switch_is_true_or_false():
    """In quotes, as Kubernetes has annotations; any other word is as if it were not there."""
    key = "dynamic-prefix.io/skip-external-dns-update"
    codes = [code for code, *_ in found(SERVICE % f'{ROUTE}, {key}: "yes"')]
    assert codes.count("invalid-value") == 1
    assert "invalid-value" not in [code for code, *_ in found(SERVICE % f'{ROUTE}, {key}: "true"')]
    assert "wrong-type" in [code for code, *_ in found(SERVICE % f"{ROUTE}, {key}: true")]


def test_a_key_of_our_domain_that_is_like_none_is_named():
    [(code, _, message)] = found(with_also(POOL, f"{'q' * 40}: x"))
    assert code == "unknown-annotation"
    assert message.endswith(": remove it (docs/annotations.md lists what is read)")


def test_a_kind_without_a_field_of_ours_is_named_without_a_name_too():
    [(code, _, message)] = found(
        f"{OBJECT}  annotations: {{dynamic-prefix.io/address-range: lb}}\n"
    )
    assert (code, "stays as it is" in message) == ("kind-not-managed", True)


SILENT = {
    "a selector": f"{OBJECT}spec: {{selector: {{matchLabels: {{{MINE}}}}}}}\n",
    "a value": f"{OBJECT}spec: {{annotationSelector: dynamic-prefix.io/name}}\n",
    "a comment": f"{OBJECT}spec: {{}}  # {MINE}\n",
    "a text that only speaks of it": f"{OBJECT}spec:\n  text: |\n    see dynamic-prefix.io/name: it\n",
    "a label beside the annotation": f"{POOL}  labels: {{{MINE}}}\n",
    "an export's record in JSON": (
        f'{OBJECT}  annotations:\n    k: |\n      {{"dynamic-prefix.io/name":"home"}}\n'
    ),
    "a patch that removes a key": "- op: remove\n  path: /metadata/annotations/dynamic-prefix.io~1name\n",
    "a patch that tests a key and then removes it": (
        "kind: Kustomization\npatches:\n- patch: |-\n"
        "    - {op: test, path: /metadata/annotations/dynamic-prefix.io~1name, value: home}\n"
        "    - {op: remove, path: /metadata/annotations/dynamic-prefix.io~1name}\n"
    ),
    "an inline patch that removes keys": (
        "kind: Kustomization\npatches:\n- patch: |-\n"
        + "    - op: remove\n      path: /metadata/annotations/dynamic-prefix.io~1name\n" * 2
    ),
    "words about a key": f"{OBJECT}spec: {{words: \"it is '{MINE}' there\"}}\n",
    "a key that is no text": f"{OBJECT}? [dynamic-prefix.io/name]\n: a\n",
    "an operator's definition": (
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n"
        "metadata: {name: dynamicprefixes.dynamic-prefix.io}\nspec: {names: {kind: DynamicPrefix}}\n"
    ),
}


@pytest.mark.parametrize("text", SILENT.values(), ids=SILENT)
def test_what_is_no_mistake_is_silent(text):
    assert found(text) == []


def test_an_operators_record_on_a_dynamic_prefix_is_named():
    text = PREFIX.decode().replace(
        "name: home\n", 'name: x\n  annotations: {dynamic-prefix.io/last-sync: "1"}\n'
    )
    assert [code for code, _, _ in found(text)] == ["operator-annotation"]


GLUED = '"2001:db8::1"# {"$dynamicprefix": "home:prefix"}'


@pytest.mark.parametrize(
    ("text", "codes"),
    [(f"a: {GLUED}\n", ["marker-aside"]), (f"a: |\n  b {GLUED}\n", []), (f"a: '{GLUED}'\n", [])],
    ids=["behind a value", "in a block scalar", "in quotes"],
)
def test_a_marker_needs_a_blank_before_it(text, codes):
    assert [code for code, _, _ in found(text)] == codes


NOT_YAML = {
    "a tab": ("spec:\n\ta: b\n", "there is a tab, and YAML is indented with blanks"),
    "a tab behind blanks": ("spec:\n  \ta: b\n", "there is a tab"),
    "an address without quotes": (
        "spec:\n  start: 2001:db8::\n  end: x\n",
        'quote the address, as in "2001:db8::"',
    ),
    "one in braces": ("spec: {start: ::f000:0:0:0, a: b}\n", 'as in "::f000:0:0:0"'),
    "a quote inside of quotes": (
        'a: "2001:db8::1 "b"\nc: d\n',
        "has a managed field: did not find expected key",
    ),
    "a marker without a blank before it": (
        'a: 2001:db8::1# {"$dynamicprefix": "home:prefix"}\n',
        "write a blank before the #",
    ),
    "a conflict of a merge": (
        "a:\n<<<<<<< HEAD\n  b: c\n=======\n  b: d\n>>>>>>> x\n",
        "both sides of a merge",
    ),
    "an equals sign": ("a:\n  x.io/name=b\n  c: d\n", 'behind the key of "x.io/name=b"'),
    "a colon without a blank": ("a:\n  b:c\n  d: e\n", 'behind the key of "b:c"'),
    "a line too far to the right": ("a: b\nc: d\n  e: f\ng: h\n", "mapping values"),
    "an odd anchor": ("a: &b.c d\n", '"&b.c" is read as an anchor or alias'),
    "an odd alias": ("a: &b:c d\ne: *b:c\n", '"*b:c" is read as an anchor or alias'),
    "a pattern that is no alias": ("a: [b, *.example.com]\n", "quote it if it is text"),
    "an odd anchor on a line that is wrong before it": (
        "a: b: c &d.e\n",
        "has a managed field: mapping values",
    ),
    "a line too far to the left": ("a:\n    b: c\n  d: e\n", "indent this line as"),
    "another mistake": ("a: b: c\n", "has a managed field: mapping values are not allowed"),
}


@pytest.mark.parametrize(("text", "words"), NOT_YAML.values(), ids=NOT_YAML)
def test_a_frequent_mistake_has_words_of_its_own(text, words):
    [(code, _, message)] = found(f"# {MINE}\n{text}")
    assert code == "not-yaml"
    assert words in message
