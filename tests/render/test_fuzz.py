"""Whatever a file looks like: outside of the managed value, not a byte changes."""

import io

from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import Settings
from tests.render.repository import PREFIX, A, B, render_once

words = st.from_regex(r"[a-z]{1,6}( [a-z]{1,6})?", fullmatch=True)
comments = st.one_of(st.just(""), words.map(lambda text: f" # {text}"))
foreign = st.sampled_from(["10.0.0.0/8", "fd00::/48", "192.0.2.1", "2001:db8:ffff::/48"])


@st.composite
def manifests(draw) -> tuple[str, list[str]]:
    """A CIDR group with anything around its list, and the foreign items in it."""
    step = " " * draw(st.integers(1, 5))
    dash = step * draw(st.integers(1, 2))
    gap = " " * draw(st.integers(1, 3))
    items = draw(st.lists(foreign, max_size=3, unique=True))
    quote = draw(st.sampled_from(["", "'", '"']))
    lines = [
        f"# {draw(words)}",
        "apiVersion: cilium.io/v2",
        "kind: CiliumCIDRGroup",
        f"metadata:{draw(comments)}",
        f"{step}name: g",
        f"{step}annotations:",
        f"{step * 2}dynamic-prefix.io/name: home{draw(comments)}",
        f'{step * 2}dynamic-prefix.io/address-range: "lb"',
        f"spec:{draw(comments)}",
    ]
    before = [f"{step}before: {draw(words)}{draw(comments)}"] * draw(st.booleans())
    after = [f"{step}after:{draw(comments)}", f"{step * 2}- {draw(words)}"] * draw(st.booleans())
    head = [f"{step}externalCIDRs:{' []' if not items else ''}{draw(comments)}"]
    body = []
    for item in items:
        body += [f"{dash}# {draw(words)}"] * draw(st.booleans())
        body.append(f"{dash}-{gap}{quote}{item}{quote}{draw(comments)}")
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    text = newline.join([*lines, *before, *head, *body, *after]) + draw(
        st.sampled_from(["", newline, newline * 2])
    )
    return text, items


@given(manifests())
def test_a_managed_list_is_the_only_thing_that_changes(made):
    """Every old line is still there, in order; a YAML 1.2 parser reads ours, then theirs."""
    text, items = made
    files = {"home.yaml": PREFIX, "m.yaml": text.encode()}
    for hour, prefix in enumerate((A, B)):
        rendering = render_once(files, prefix, hour)
        assert not [one for one in rendering.problems if one.severity == "error"]
        files |= rendering.files
    after = files["m.yaml"].decode()
    assert render_once(files, B, 9).files == {}
    ours = ["2001:db8:b:0:f000::/68", "2001:db8:a:0:f000::/68"]
    read = YAML(typ="safe", pure=True).load(io.StringIO(after))
    assert read["spec"]["externalCIDRs"] == ours + items
    rest = [line for line in after.splitlines() if not any(address in line for address in ours)]
    assert rest == [
        line.replace("externalCIDRs: []", "externalCIDRs:") for line in text.splitlines()
    ]


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_no_bytes_give_a_traceback(content: bytes):
    """Whatever stands in a file that carries an annotation, it is read or it is a problem."""
    managed = b"metadata: {annotations: {dynamic-prefix.io/name: home}}\n"
    for text in (content + managed, managed + content, b"---\n" + content + b"\n---\n" + managed):
        read_inventory({"home.yaml": PREFIX, "x.yaml": text}, Settings())
        render_once({"home.yaml": PREFIX, "x.yaml": text}, A)
