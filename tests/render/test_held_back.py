"""An error holds back its document, or its DynamicPrefix with all that follows it, and no more."""

import pytest

from tests.render.lists import GROUP, POOL
from tests.render.repository import PREFIX, A, render_once

OTHER = PREFIX.decode().replace("name: home", "name: other")
OF_OTHER = GROUP.replace("name: home", "name: other")
GOOD = {"home.yaml": PREFIX.decode(), "group.yaml": GROUP, "other.yaml": OTHER, "of.yaml": OF_OTHER}
WRONG_POOL = POOL.replace("address-range: lb", "address-range: nope")
WRONG_PREFIX = PREFIX.decode().replace("::f000:0:0:0", "nonsense")
BOTH = """\
a: ["::1"]  # {"$dynamicprefix": "home:lb:cidrs"}
b: ["::1"]  # {"$dynamicprefix": "other:lb:cidrs"}
"""
REST = {"group.yaml", "home.yaml", "of.yaml", "other.yaml"}
CASES = {
    "a wrong document": ({"pool.yaml": WRONG_POOL}, REST, {"pool.yaml"}),
    "a wrong document before a right one in its file": (
        {"group.yaml": f"{WRONG_POOL}---\n{GROUP}"}, REST, {"group.yaml"},
    ),
    "a document that is no YAML before a right one": (
        {"group.yaml": f"# dynamic-prefix.io/\na: [\n---\n{GROUP}"}, REST, set(),
    ),
    "a file that is no text": ({"pool.yaml": b"\xff # dynamic-prefix.io/"}, REST, set()),
    "a field that cannot be edited": (
        {"pool.yaml": GROUP + "spec:\n  externalCIDRs: &x [10.0.0.0/8]\nother: *x\n"},
        REST, {"pool.yaml"},
    ),
    "an edit that is refused": (
        {"pool.yaml": GROUP + "x: &x [10.0.0.0/8]\nspec:\n  externalCIDRs: *x\n"}, REST, {"pool.yaml"},
    ),
    "a wrong DynamicPrefix keeps what follows it": (
        {"home.yaml": WRONG_PREFIX}, {"of.yaml", "other.yaml"}, {"home.yaml", "group.yaml"},
    ),
    "a document that follows a wrong DynamicPrefix, too, stays whole": (
        {"home.yaml": WRONG_PREFIX, "both.yaml": BOTH},
        {"of.yaml", "other.yaml"}, {"home.yaml", "group.yaml", "both.yaml"},
    ),
    "a DynamicPrefix whose status cannot be written keeps what follows it": (
        {"home.yaml": PREFIX.decode() + "status: &x {}\n", "both.yaml": BOTH},
        {"of.yaml", "other.yaml"}, {"home.yaml", "group.yaml", "both.yaml"},
    ),
    "two DynamicPrefixes of one name": ({"again.yaml": PREFIX.decode()}, set(), set()),
    "two of one name, one of which is wrong": ({"again.yaml": WRONG_PREFIX}, set(), set()),
}  # fmt: skip


@pytest.mark.parametrize(("files", "written", "held"), CASES.values(), ids=CASES)
def test_an_error_holds_back(files, written, held):
    texts = GOOD | files
    content = {
        path: text if isinstance(text, bytes) else text.encode() for path, text in texts.items()
    }
    rendering = render_once(content, A)
    assert [problem for problem in rendering.problems if problem.severity == "error"]
    assert rendering.files.keys() == written
    assert rendering.held_paths == held


def test_a_wrong_document_stays_to_the_byte_beside_a_right_one():
    text = f"{WRONG_POOL}---\n{GROUP}"
    files = {"home.yaml": PREFIX, "group.yaml": text.encode()}
    after = render_once(files, A).files["group.yaml"].decode()
    assert after.startswith(f"{WRONG_POOL}---\n")
    assert after != text
