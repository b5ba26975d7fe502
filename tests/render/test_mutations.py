"""The golden files, cut and patched at random: read or refused, never lost, never half."""

import io

from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tests.render.golden import RENDERED, read
from tests.render.repository import PREFIX, A, B, assert_held, render_once

SEEDS = sorted({
    content.decode() for case in RENDERED for content in read(case / "before").values()
    # A marker may stand anywhere: test_fuzz_markers.py has a model of what it changes.
    if b"kind: DynamicPrefix" not in content and b"$dynamicprefix" not in content
})  # fmt: skip
PATCHES = [
    "\n", " ", "  ", "\t", "\r\n", "\r", "-", "- ", ":", ": ", "#", " # c\n", "[", "]", "{", "}", ",", "&x ", "*x",
    "!!str ", "'", '"', "|\n", ">-\n", "? ", "<<: ", "---\n", "\n...\n", "null", "[]", "\ufeff", "\u2028", "é🏠",
    "2001:db8:a:0:f000::/68", "10.0.0.0/8", "  externalCIDRs:\n", "spec:\n",
]  # fmt: skip


@st.composite
def mutants(draw) -> str:
    text = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(text.find("spec") if "spec" in text else 0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 6)))
        text = text[:start] + draw(st.sampled_from(PATCHES)) + text[end:]
    return text


def load(text: str) -> list | None:
    try:
        return list(YAML(typ="safe", pure=True).load_all(io.StringIO(text)))
    except (YAMLError, ValueError):
        return None


def is_sibling(document: object) -> bool:
    return "dynamic-prefix.io/parent-pool" in str(document)


def without_ours(document: object) -> object:
    """A document without our items and without what only held them."""
    if not isinstance(document, dict):
        return document
    spec = document.get("spec")
    spec = dict(spec) if isinstance(spec, dict) else spec
    if isinstance(spec, dict):
        if document.get("kind") == "IPPool":
            spec.pop("cidr", None)
        for field in ("blocks", "externalCIDRs", "addresses"):
            items = [
                one for one in spec.pop(field, None) or [] if "2001:db8:" not in str(one).lower()
            ]
            spec |= {field: items} if items else {}
    data = document.get("data")
    if isinstance(data, dict):
        data = {key: value for key, value in data.items() if not str(key).startswith("HOME_")}
    rest = {key: value for key, value in document.items() if key not in {"spec", "data"}}
    return rest | ({"spec": spec} if spec else {}) | ({"data": data} if data else {})


@given(mutants())
def test_a_mutant_is_refused_or_rendered_right(text: str):
    """No exception; rendering again changes nothing; a YAML 1.2 parser finds the rest untouched."""
    files = {"home.yaml": PREFIX, "m.yaml": text.encode()}
    for hour, prefix in enumerate((A, B)):
        before = load(files["m.yaml"].decode())
        rendering = render_once(files, prefix, hour)
        if any(one.severity == "error" for one in rendering.problems):
            assert_held(files, rendering)
            return
        files |= rendering.files
        again = render_once(files, prefix, hour + 1)
        assert again.files == {}
        assert not any(one.severity == "error" for one in again.problems)
        if before is not None:
            after = load(files["m.yaml"].decode())
            assert after is not None
            before, after = (
                [one for one in each if not is_sibling(one)] for each in (before, after)
            )
            assert [*map(without_ours, after)] == [*map(without_ours, before)]
