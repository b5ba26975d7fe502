"""Where a DynamicPrefix has its status: found, replaced or added, and the rest stays."""

import json

import pytest

from tests.render.repository import A, B, render_once

HEAD = "apiVersion: dynamic-prefix.io/v1alpha1\nkind: DynamicPrefix\nmetadata: {name: home}\n"
SPEC = "spec: {acquisition: {routerAdvertisement: {interface: eth0}}}\n"
OLD = "{currentPrefix: '2001:db8:a::/64'}"
WRITTEN = """\
status:
%s  currentPrefix: "2001:db8:b::/64"
  prefixSource: router-advertisement
  acquiredAt: "2026-11-24T12:00:00Z"
  addressRanges: []
  subnets: []
  history:%s
  conditions:
    - type: PrefixAcquired
      status: "True"
      reason: PrefixAcquired
      message: "2001:db8:b::/64 was learnt by router-advertisement"
      lastTransitionTime: "2026-11-24T12:00:00Z"
    - type: PoolsSynced
      status: "True"
      reason: Synced
      message: "the manifests of this commit hold 2001:db8:b::/64"
      lastTransitionTime: "2026-11-24T12:00:00Z"
"""
PAST = '\n    - prefix: "2001:db8:a::/64"\n      deprecatedAt: "2026-11-24T12:00:00Z"\n      state: draining'
FIRST = WRITTEN % ("", " []")


def written(*comments: str) -> str:
    return WRITTEN % ("".join(f"  {one}\n" for one in comments), PAST)


CASES = {
    "none": (HEAD + SPEC, HEAD + SPEC + FIRST),
    "none, in front of a comment": (HEAD + SPEC + "\n# end\n", HEAD + SPEC + FIRST + "\n# end\n"),
    "none, in front of another document": (HEAD + SPEC + "---\na: b\n", HEAD + SPEC + FIRST + "---\na: b\n"),
    "none, without a line break": ((HEAD + SPEC).rstrip(), (HEAD + SPEC + FIRST).rstrip()),
    "empty braces": (HEAD + "status: {}\n" + SPEC, HEAD + FIRST + SPEC),
    "empty braces with a comment": (HEAD + "status: {} # c\n" + SPEC, HEAD + WRITTEN % ("  # c\n", " []") + SPEC),
    "no value": (HEAD + "status:\n# c\n" + SPEC, HEAD + FIRST + "# c\n" + SPEC),
    "no value, and a comment": (HEAD + "status:  # c\n" + SPEC, HEAD + FIRST.replace("status:\n", "status:  # c\n") + SPEC),
    "null at the end": (HEAD + SPEC + "status: ~", (HEAD + SPEC + FIRST).rstrip()),
    "no value at the end, without a line break": (HEAD + SPEC + "status:", (HEAD + SPEC + FIRST).rstrip()),
    "a block with comments": (
        HEAD + "status:\n  currentPrefix: 2001:db8:a::/64 # here\n  # x\n  history: []\n  # end\n" + SPEC,
        HEAD + written("# here", "# x") + "  # end\n" + SPEC,
    ),
    "braces": (HEAD + f"status: {OLD}  # c\n" + SPEC, HEAD + written("# c") + SPEC),
    "braces over lines": (
        HEAD + "status: {\n  currentPrefix: '2001:db8:a::/64' # y\n  } # x\n" + SPEC, HEAD + written("# y", "# x") + SPEC,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_status_is_written_in_its_place(before: str, after: str, newline: str):
    """Comments of the old one stay, above; a second rendering changes nothing."""
    files = {"home.yaml": before.replace("\n", newline).encode()}
    rendering = render_once(files, B)
    assert rendering.problems == ()
    files |= rendering.files
    assert files["home.yaml"].decode() == after.replace("\n", newline)
    assert render_once(files, B, 1).files == {}


REFUSED = {
    "an alias": (HEAD + f"x: &x {OLD}\nstatus: *x\n" + SPEC, "home.yaml:5:9", "edit-refused"),
    "an anchor": (HEAD + f"status: &x {OLD}\n" + SPEC, "home.yaml:4:12", "edit-refused"),
    "an anchor inside, that is named": (
        HEAD + "status:\n  currentPrefix: &x '2001:db8:a::/64'\nz: *x\n" + SPEC, "home.yaml:5:3", "edit-refused",
    ),
    "a string": (HEAD + "status: hello\n" + SPEC, "home.yaml:4:9", "wrong-type"),
    "a list": (HEAD + "status: []\n" + SPEC, "home.yaml:4:9", "wrong-type"),
    "a comment in braces of the root": (
        "{apiVersion: dynamic-prefix.io/v1alpha1, kind: DynamicPrefix, metadata: {name: home},\n"
        " spec: {acquisition: {routerAdvertisement: {interface: eth0}}},\n"
        " status: { # why\n   currentPrefix: '2001:db8:a::/64'}\n}\n", "home.yaml:3:10", "edit-refused",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "place", "code"), REFUSED.values(), ids=REFUSED)
def test_a_status_that_cannot_be_replaced_is_refused(text: str, place: str, code: str):
    rendering = render_once({"home.yaml": text.encode()}, B)
    assert rendering.files == {}
    assert [(str(one.place), one.code) for one in rendering.problems] == [(place, code)]


@pytest.mark.parametrize("gap", ["", "\n  "], ids=["one line", "several lines"])
def test_json_stays_json(gap: str):
    """A document that is JSON may be read by a JSON parser after it was written, too."""
    text = gap.join(
        ['{"apiVersion": "dynamic-prefix.io/v1alpha1", ', '"kind": "DynamicPrefix", ', '"metadata": {"name": "home"}, ',
         '"spec": {"acquisition": {"routerAdvertisement": {"interface": "eth0"}}}}\n'],
    )  # fmt: skip
    files = {"home.yaml": text.encode()}
    for hour, prefix in enumerate((A, B)):
        files |= render_once(files, prefix, hour).files
    read = json.loads(files["home.yaml"])
    assert (read["status"]["currentPrefix"], len(read["status"]["history"])) == (str(B), 1)
    assert {**json.loads(text), "status": read["status"]} == read
    assert files["home.yaml"].decode().startswith(text.rstrip("}\n"))
