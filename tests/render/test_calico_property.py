"""Pools of past prefixes, whatever else is in the file: they come, they go, nothing else moves."""

from hypothesis import given
from hypothesis import strategies as st

from tests.render.calico import POOL
from tests.render.repository import PREFIX, A, B, C, assert_held, render_once

OTHERS = st.sampled_from([
    "---\na: 1\n", "---\n# comment\nb: |\n  --- no\n  text\n\n", "---\n", "...\n---\nc: [1]\n", "...\n%YAML 1.2\n---\nd: x\n",
    "---\ne: |+\n  kept\n\n", "# behind\n", "\n\n", "---\n" + POOL.replace("pods", "more"), "---\n" + POOL,
    "---\n" + POOL.replace("pods", "bare").partition("spec")[0],
])  # fmt: skip
FORGETFUL = PREFIX + b"  transition: {maxPrefixHistory: 0}\n"


@given(st.lists(OTHERS, max_size=2), st.lists(OTHERS, max_size=3), st.booleans(), st.booleans())
def test_what_came_with_the_history_goes_with_it(
    before: list[str], behind: list[str], crlf: bool, bare: bool
):
    """Two prefixes later the history is dropped: as if the last prefix had been the first."""
    text = "".join([*before, "---\n" if before else "", POOL, *behind])
    text = text.removesuffix("\n") if bare else text
    content = (text.replace("\n", "\r\n") if crlf else text).encode()
    files = {"home.yaml": PREFIX, "m.yaml": content}
    for hour, prefix in enumerate((A, B, C)):
        rendering = render_once(files, prefix, hour)
        if any(one.severity == "error" for one in rendering.problems):
            assert_held(files, rendering)
            return
        files |= rendering.files
    pools = content.count(b"dynamic-prefix.io/name")
    assert files["m.yaml"].count(b"parent-pool") == 2 * pools
    files["home.yaml"] = FORGETFUL + files["home.yaml"].removeprefix(PREFIX)
    files |= render_once(files, C, 3).files
    at_once = render_once({"home.yaml": FORGETFUL, "m.yaml": content}, C).files
    assert files["m.yaml"] == at_once["m.yaml"]
