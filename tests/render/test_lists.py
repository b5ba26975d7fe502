"""A list that follows the prefix: only our items change, in their author's style."""

import pytest

from tests.render.lists import GROUP, POOL
from tests.render.repository import PREFIX, A, B, C, render_all, render_once

FOUR = """\
apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata:
    name: p
    annotations:
        dynamic-prefix.io/name: home
        dynamic-prefix.io/address-range: lb
"""
FOUR_AND_NONE = FOUR.replace("    name: p\n", "    name: p\n    finalizers:\n    - x\n")
BLOCK_A = 'start: "2001:db8:a:0:f000::"', 'stop: "2001:db8:a:0:ffff:ffff:ffff:ffff"'
PAST_A = BLOCK_A[0], BLOCK_A[1].replace(':ffff"', ':fffe"')
"""A past block of Cilium's is shorter by its number in the history."""
BLOCK_B = 'start: "2001:db8:b:0:f000::"', 'stop: "2001:db8:b:0:ffff:ffff:ffff:ffff"'
CIDR_A, CIDR_B, CIDR_C = (f'"2001:db8:{letter}:0:f000::/68"' for letter in "abc")
BOTH = f"""\
    - {BLOCK_B[0]}
      {BLOCK_B[1]}
    - {PAST_A[0]}
      {PAST_A[1]}
"""
JSON = (
    '{"apiVersion": "cilium.io/v2", "kind": "CiliumCIDRGroup", "metadata": {"name": "g",'
    ' "annotations": {"dynamic-prefix.io/name": "home", "dynamic-prefix.io/address-range": "lb"}}%s}'
)

CASES = {
    "empty list": (
        POOL + "spec:\n  blocks: []\n",
        POOL + "spec:\n  blocks:\n" + BOTH,
    ),
    "empty list with a comment behind it": (
        POOL + "spec:\n  blocks: []  # filled in\n  disabled: false\n",
        POOL + "spec:\n  blocks:  # filled in\n" + BOTH + "  disabled: false\n",
    ),
    "no value": (
        POOL + "spec:\n  blocks:\n  disabled: false\n",
        POOL + "spec:\n  blocks:\n" + BOTH + "  disabled: false\n",
    ),
    "null": (
        POOL + "spec:\n  blocks: null\n",
        POOL + "spec:\n  blocks:\n" + BOTH,
    ),
    "missing key": (
        POOL + "spec:\n  disabled: false  # on\n# the end\n",
        POOL + "spec:\n  disabled: false  # on\n  blocks:\n" + BOTH + "# the end\n",
    ),
    "missing spec, and no line break at the end": (
        POOL.rstrip("\n"),
        POOL + "spec:\n  blocks:\n" + BOTH.rstrip("\n"),
    ),
    "IPv4 in front of nothing of ours": (
        POOL + "spec:\n  blocks:\n    # the old world\n    - cidr: 192.0.2.0/27  # dhcp\n",
        POOL + "spec:\n  blocks:\n" + BOTH + "    # the old world\n    - cidr: 192.0.2.0/27  # dhcp\n",
    ),
    "ours behind a foreign item comes to the front": (
        POOL + f"spec:\n  blocks:\n    - cidr: 192.0.2.0/27\n    - {BLOCK_A[0]}\n      {BLOCK_A[1]}\n",
        POOL + "spec:\n  blocks:\n" + BOTH + "    - cidr: 192.0.2.0/27\n",
    ),
    "quotes and comments of the items stay": (
        GROUP + "spec:\n  externalCIDRs:\n  - '2001:db8:a:0:f000::/68' # now\n  - 'fd00::/64'\n",
        GROUP + "spec:\n  externalCIDRs:\n  - '2001:db8:b:0:f000::/68' # now\n"
        "  - '2001:db8:a:0:f000::/68'\n  - 'fd00::/64'\n",
    ),
    "another spelling of our address is ours": (
        GROUP + "spec:\n  externalCIDRs:\n    - 2001:DB8:A:0:F000:0:0:0/68\n",
        GROUP + f"spec:\n  externalCIDRs:\n    - 2001:db8:b:0:f000::/68\n    - {CIDR_A}\n",
    ),
    "our address twice, in two spellings": (
        GROUP + f"spec:\n  externalCIDRs:\n    - 2001:DB8:A:0:F000:0:0:0/68\n    - {CIDR_A}\n",
        GROUP + f"spec:\n  externalCIDRs:\n    - 2001:db8:b:0:f000::/68\n    - {CIDR_A}\n",
    ),
    "list without indentation, wide dashes": (
        GROUP + "spec:\n    externalCIDRs:\n    -   10.0.0.0/8\n",
        GROUP + f"spec:\n    externalCIDRs:\n    -   {CIDR_B}\n    -   {CIDR_A}\n    -   10.0.0.0/8\n",
    ),
    "flow list on one line": (
        GROUP + "spec: {externalCIDRs: [10.0.0.0/8]} # all\n",
        GROUP + f"spec: {{externalCIDRs: [{CIDR_B}, {CIDR_A}, 10.0.0.0/8]}} # all\n",
    ),
    "flow list over several lines": (
        GROUP + "spec:\n  externalCIDRs: [\n    10.0.0.0/8, # lan\n    10.1.0.0/16\n  ]\n",
        GROUP + f"spec:\n  externalCIDRs: [\n    {CIDR_B},\n    {CIDR_A},\n    10.0.0.0/8, # lan\n"
        "    10.1.0.0/16\n  ]\n",
    ),
    "empty flow list inside of a flow mapping": (
        GROUP + "spec: { externalCIDRs: [] }\n",
        GROUP + f"spec: {{ externalCIDRs: [{CIDR_B}, {CIDR_A}] }}\n",
    ),
    "ours in another shape, in front of a foreign one": (
        POOL + 'spec:\n  blocks: [\n    {cidr: "2001:db8:a:0:f000::/68"},\n    {cidr: 192.0.2.0/27}\n  ]\n',
        POOL + f"spec:\n  blocks: [\n    {{{', '.join(BLOCK_B)}}},\n    {{{', '.join(PAST_A)}}},\n"
        "    {cidr: 192.0.2.0/27}\n  ]\n",
    ),
    "flow items in a block list": (
        POOL + "spec:\n  blocks:\n    - { cidr: 192.0.2.0/27 }\n",
        POOL + f"spec:\n  blocks:\n    - {{ {', '.join(BLOCK_B)} }}\n    - {{ {', '.join(PAST_A)} }}\n"
        "    - { cidr: 192.0.2.0/27 }\n",
    ),
    "a document marker, a directive and a second document": (
        "%YAML 1.2\n---\n" + GROUP + "spec:\n  externalCIDRs: []\n...\n---\n{{ not: yaml }}\n",
        "%YAML 1.2\n---\n" + GROUP + f"spec:\n  externalCIDRs:\n    - {CIDR_B}\n    - {CIDR_A}\n...\n---\n"
        "{{ not: yaml }}\n",
    ),
    "a block scalar that holds an annotation's text": (
        GROUP + "spec:\n  externalCIDRs: []\n  note: |\n    dynamic-prefix.io/name: home\n    - x\n",
        GROUP + f"spec:\n  externalCIDRs:\n    - {CIDR_B}\n    - {CIDR_A}\n  note: |\n"
        "    dynamic-prefix.io/name: home\n    - x\n",
    ),
    "a root in braces": (
        JSON % "",
        JSON % f', "spec": {{"externalCIDRs": [{CIDR_B}, {CIDR_A}]}}',
    ),
    "an empty list on a line of its own, in braces": (
        (JSON % ',\n  "spec": {\n    "externalCIDRs": []\n  }\n') + "\n",
        (JSON % f',\n  "spec": {{\n    "externalCIDRs": [{CIDR_B}, {CIDR_A}]\n  }}\n') + "\n",
    ),
    "a dash without an item, at the end of the file": (
        GROUP + "spec:\n  externalCIDRs:\n    - 10.0.0.0/8\n    -",
        GROUP + f"spec:\n  externalCIDRs:\n    - {CIDR_B}\n    - {CIDR_A}\n    - 10.0.0.0/8\n    -",
    ),
    "foreign items that share an anchor": (
        GROUP + "spec:\n  externalCIDRs:\n    - &lan 10.0.0.0/8\n    - *lan\n",
        GROUP + f"spec:\n  externalCIDRs:\n    - {CIDR_B}\n    - {CIDR_A}\n    - &lan 10.0.0.0/8\n    - *lan\n",
    ),
    "a merge that does not bring the list": (
        GROUP + "x: &x {a: b}\nspec:\n  <<: *x\n",
        GROUP + f"x: &x {{a: b}}\nspec:\n  <<: *x\n  externalCIDRs:\n    - {CIDR_B}\n    - {CIDR_A}\n",
    ),
    "an anchor with a comment, in front of the list": (
        GROUP + "spec:\n  externalCIDRs: &x # lan\n    - 10.0.0.0/8\n",
        GROUP + f"spec:\n  externalCIDRs: &x # lan\n    - {CIDR_B}\n    - {CIDR_A}\n    - 10.0.0.0/8\n",
    ),
    "an empty mapping in braces": (
        GROUP + "spec: {} # all\n",
        GROUP + f"spec: {{externalCIDRs: [{CIDR_B}, {CIDR_A}]}} # all\n",
    ),
    "a mapping in braces, whose last key has no value": (
        GROUP + "spec: {a: 1, b: }\n",
        GROUP + f"spec: {{a: 1, b: , externalCIDRs: [{CIDR_B}, {CIDR_A}]}}\n",
    ),
    "steps of four blanks, without spec": (
        FOUR,
        FOUR + f"spec:\n    externalCIDRs:\n        - {CIDR_B}\n        - {CIDR_A}\n",
    ),
    "steps of four blanks, and a spec without a value": (
        FOUR + "spec:\n",
        FOUR + f"spec:\n    externalCIDRs:\n        - {CIDR_B}\n        - {CIDR_A}\n",
    ),
    "mappings by four blanks, lists by none": (
        FOUR_AND_NONE + "spec:\n",
        FOUR_AND_NONE + f"spec:\n    externalCIDRs:\n    - {CIDR_B}\n    - {CIDR_A}\n",
    ),
    "mappings by four blanks, and an empty list": (
        FOUR_AND_NONE + "spec:\n    externalCIDRs: []\n",
        FOUR_AND_NONE + f"spec:\n    externalCIDRs:\n    - {CIDR_B}\n    - {CIDR_A}\n",
    ),
    "an anchor and a tag of an empty list": (
        GROUP + "spec:\n  externalCIDRs: &x !!seq []  # none\n",
        GROUP + f"spec:\n  externalCIDRs: &x !!seq [{CIDR_B}, {CIDR_A}]  # none\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_only_our_items_change(before: str, after: str):
    """After A and then B: B first, A behind it, everything else as it was."""
    assert render_all(before, A, B) == after


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["no BOM", "BOM"])
@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_line_ends_and_the_byte_order_mark_stay(before: str, after: str, mark: str, newline: str):
    """New lines end as the others do."""
    assert render_all(mark + before.replace("\n", newline), A, B) == mark + after.replace(
        "\n", newline
    )


@pytest.mark.parametrize("end", ["\n", "", "\n\n", "\n# the end\n", "\n# the end"])
def test_what_stands_at_the_end_stays_there(end: str):
    """A missing line break, blank lines, a last comment."""
    text = GROUP + "spec:\n  externalCIDRs: []" + end
    expected = GROUP + f"spec:\n  externalCIDRs:\n    - {CIDR_B}\n    - {CIDR_A}" + end
    assert render_all(text, A, B) == expected


def test_the_list_is_the_history():
    """Current first, then newest first; a prefix that returns is there once."""
    text = GROUP + "spec:\n  externalCIDRs:\n    - 10.0.0.0/8\n"
    three = render_all(text, A, B, C)
    assert three == GROUP + (
        f"spec:\n  externalCIDRs:\n    - {CIDR_C}\n    - {CIDR_B}\n    - {CIDR_A}\n    - 10.0.0.0/8\n"
    )
    assert render_all(text, A, B, A) == GROUP + (
        f"spec:\n  externalCIDRs:\n    - {CIDR_A}\n    - {CIDR_B}\n    - 10.0.0.0/8\n"
    )


PARTS = {
    "address-range: lb": ['"2001:db8:a:0:f000::/68"'],
    "address-range: odd": ['"2001:db8:a::5/128"', '"2001:db8:a::6/127"', '"2001:db8:a::8/127"', '"2001:db8:a::a/128"'],
    "subnet: low": ['"2001:db8:a:0:100::/72"'],
    "name: home": ['"2001:db8:a::/64"'],
}  # fmt: skip


@pytest.mark.parametrize(("part", "cidrs"), PARTS.items(), ids=PARTS)
def test_a_cidr_group_holds_exactly_its_part(part: str, cidrs: list[str]):
    """A range by the fewest CIDRs that cover it and nothing else; a subnet; the whole prefix."""
    text = GROUP.replace("dynamic-prefix.io/address-range: lb", f"dynamic-prefix.io/{part}")
    text = text.replace("home, dynamic-prefix.io/name: home", "home")
    expected = text + "spec:\n  externalCIDRs:\n" + "".join(f"    - {cidr}\n" for cidr in cidrs)
    assert render_all(text, A) == expected


def test_a_pool_holds_the_cidr_of_a_subnet():
    """A subnet needs no start and stop."""
    text = POOL.replace("address-range: lb", "subnet: low")
    assert render_all(text, A) == text + 'spec:\n  blocks:\n    - cidr: "2001:db8:a:0:100::/72"\n'


def test_what_leaves_the_history_leaves_the_list_and_its_comments_stay():
    """A shorter history removes items; what their author said beside them stays, as a line."""
    files = {"home.yaml": PREFIX, "m.yaml": (GROUP + "spec:\n  externalCIDRs: []\n").encode()}
    for hour, prefix in enumerate((A, B)):
        files |= render_once(files, prefix, hour).files
    files["m.yaml"] = files["m.yaml"].replace(b'a:0:f000::/68"', b'a:0:f000::/68"  # the first')
    files["home.yaml"] = files["home.yaml"].replace(
        b"spec:\n", b"spec:\n  transition: {maxPrefixHistory: 0}\n", 1
    )
    files |= render_once(files, B, 3).files
    assert files["m.yaml"].decode() == GROUP + (
        f"spec:\n  externalCIDRs:\n    - {CIDR_B}\n    # the first\n"
    )


def test_a_foreign_item_in_a_past_prefix_will_not_follow():
    """It is reported while the prefix is current, and while the prefix is in the history."""
    manifest = GROUP + "spec:\n  externalCIDRs:\n    - 2001:db8:a::1\n    - 10.0.0.0/8\n"
    files = {"home.yaml": PREFIX, "manifest.yaml": manifest.encode()}
    for hour, prefix in enumerate((A, B)):
        rendering = render_once(files, prefix, hour)
        (problem,) = rendering.problems
        assert (problem.code, problem.severity) == ("will-not-follow", "warning")
        assert "2001:db8:a::1 lies inside a prefix that changes" in problem.message
        files |= rendering.files


def test_an_address_keeps_its_spelling_while_another_item_moves():
    """The copy of our address is removed; the first one is right as it is."""
    spelt = GROUP + "spec:\n  externalCIDRs:\n    - 2001:DB8:A:0:F000:0:0:0/68\n"
    assert render_all(spelt + f"    - {CIDR_A}\n", A) == spelt
