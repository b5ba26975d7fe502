"""An error holds back its field, its document, or its DynamicPrefix with all that follows it."""

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
LB = '{"$dynamicprefix": "home:lb:cidrs"}'
START = LB.replace("cidrs", "start")
TEN = LB.replace("cidrs", "address:::f000:0:0:10")
FULL = PREFIX.decode().replace('"::a"}', '"::5"}')
ONLY, MENTION = (LB.replace("lb:cidrs", f"odd:address:{host}") for host in ("::5", "@media/web"))
BESIDE = f"a: ['::1']  # {LB.replace('lb', 'nope')}\nb: ['::1']  # {LB}\n"
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
        {"pool.yaml": GROUP + "spec:\n  externalCIDRs: [10.0.0.0/8]\nother: 'a\u2028b'\n"},
        REST, {"pool.yaml"},
    ),
    "an edit that is refused": (
        {"pool.yaml": GROUP + "x: &x [10.0.0.0/8]\nspec:\n  externalCIDRs: *x\n"}, REST, {"pool.yaml"},
    ),
    "a wrong DynamicPrefix keeps what follows it": (
        {"home.yaml": WRONG_PREFIX}, {"of.yaml", "other.yaml"}, {"home.yaml", "group.yaml"},
    ),
    "a marked field that follows a wrong DynamicPrefix, beside one that follows another": (
        {"home.yaml": WRONG_PREFIX, "both.yaml": BOTH},
        {"of.yaml", "other.yaml", "both.yaml"}, {"home.yaml", "group.yaml"},
    ),
    "a DynamicPrefix whose status cannot be written keeps what follows it": (
        {"home.yaml": PREFIX.decode() + "status: &x {}\n", "both.yaml": BOTH},
        {"of.yaml", "other.yaml", "both.yaml"}, {"home.yaml", "group.yaml"},
    ),
    "a wrong marker beside right ones": ({"marked.yaml": BESIDE}, REST | {"marked.yaml"}, set()),
    "a marked address that another document has": (
        {"a.yaml": f"x: ''  # {TEN}\n", "marked.yaml": f"x: ''  # {TEN}\ny: ['::1']  # {LB}\n"},
        REST | {"a.yaml", "marked.yaml"}, set(),
    ),
    "an annotation's address that another document has": (
        {"a.yaml": f"x: ''  # {TEN}\n", "marked.yaml": f"metadata:\n  annotations:\n    a: ''  # {TEN}\ny: ['::1']  # {LB}\n"},
        REST | {"a.yaml"}, {"marked.yaml"},
    ),
    "a marked address in a full range": (
        {"home.yaml": FULL, "web.yaml": f"x: ''  # {ONLY}\n", "marked.yaml": f"x: ''  # {MENTION}\ny: ['::1']  # {LB}\n"},
        REST | {"web.yaml", "marked.yaml"}, set(),
    ),
    "a wrong marker of one end of a range": (
        {"marked.yaml": f"r:\n  a: '::1'  # {START}\n  b: '::2'  # {START.replace('lb:start', 'lbs:end')}\n"},
        REST, {"marked.yaml"},
    ),
    "a wrong marker of one annotation": (
        {"marked.yaml": f"metadata:\n  annotations:\n    a: ''  # {START}\n    b: ''  # {LB.replace('lb', 'no')}\n"},
        REST, {"marked.yaml"},
    ),
    "a marked field that cannot be edited beside right ones": (
        {"marked.yaml": f"k: &x key\n*x : ['::1']  # {LB}\nb: ['::1']  # {LB}\n"}, REST | {"marked.yaml"}, set(),
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


def test_a_wrong_marker_leaves_its_own_field_to_the_byte():
    files = {"home.yaml": PREFIX, "marked.yaml": BESIDE.encode()}
    after = render_once(files, A).files["marked.yaml"].decode()
    wrong, right = BESIDE.splitlines()
    assert after.startswith(f"{wrong}\nb: ")
    assert right not in after
