"""Whatever a Service looks like: outside of its managed annotations, not a byte changes."""

import io
import json
import re

from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tests.render.repository import A, B, render_once
from tests.render.services import ALPHA, IPS, PREFIX

words = st.from_regex(r"[a-z]{1,6}( [a-z]{1,6})?", fullmatch=True)
comments = st.one_of(st.just(""), words.map(lambda text: f" # {text}"))
blanks = st.integers(1, 3).map(lambda number: " " * number)
quotes = st.sampled_from(["", "'", '"'])
nothing = st.sampled_from(["", "~", "null", "''", '""'])
foreign = st.lists(
    st.sampled_from(["192.0.2.7", "fd00::9", "lb.example", "2001:db8:ffff::1"]), unique=True
)
separators = st.sampled_from([",", ", "])

HOLE = r"[^\r\n]+?"
OURS = {IPS: "2001:db8:b:0:f000::10,2001:db8:a:0:f000::10", ALPHA: "2001:db8:b:0:f000::10"}


def join(key: str, separator: str, theirs: list[str]) -> str:
    """What an annotation is to say: ours, then its author's."""
    return separator.join([*OURS[key].split(","), *theirs])


@st.composite
def values(draw, key: str, *, in_flow: bool) -> tuple[str, str]:
    """An annotation's value as text, and what it is to say afterwards."""
    # A target of hostnames alone is its author's CNAME, and stays.
    theirs = draw(foreign.filter(lambda found: key != ALPHA or found != ["lb.example"]))
    separator = draw(separators)
    if not theirs:
        text = draw(nothing.filter(bool) if in_flow else nothing)
        return text, join(key, ",", theirs)
    quote = draw(quotes.filter(bool) if in_flow else quotes)
    text = separator.join(theirs)
    return f"{quote}{text}{quote}", join(key, separator if separator in text else ",", theirs)


@st.composite
def entries(draw, *, in_flow: bool) -> tuple[list[tuple[str, str, str]], dict[str, str]]:
    """Annotations in any order as key, what is before the value, value; and what they are to say."""
    managed = draw(st.sets(st.sampled_from([IPS, ALPHA])))
    expected = {key: join(key, ",", []) for key in OURS}
    found = [
        ("dynamic-prefix.io/name", " ", draw(st.sampled_from(["home", "'home'", '"home"']))),
        ("dynamic-prefix.io/suffix", draw(blanks), '"::f000:0:0:10"'),
        ("external-dns.alpha.kubernetes.io/hostname", " ", "web.example"),
        *(("note", " &note ", "text") for _ in range(draw(st.integers(0, 1)))),
    ]
    for key in sorted(managed):
        text, expected[key] = draw(values(key, in_flow=in_flow))
        # Null under an anchor is no empty field: it is refused.
        anchor = draw(st.sampled_from(["", "&own-" + key[:2] + " "])) if text[:1] in "'\"" else ""
        found.append((key, draw(blanks) + anchor if text else "", text))
    if expected[ALPHA] == OURS[ALPHA]:
        # A target that is new, or was empty, holds the IPv4 address too.
        ipv4 = [entry for entry in re.split(", ?", expected[IPS]) if entry == "192.0.2.7"]
        expected[ALPHA] = join(ALPHA, ",", ipv4)
    return draw(st.permutations(found)), expected


@st.composite
def services(draw) -> tuple[str, str, dict[str, str]]:
    """A Service, a pattern of what it may become, and what its annotations are to say."""
    step = " " * draw(st.integers(1, 5))
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    in_flow = draw(st.booleans())
    notes, expected = draw(entries(in_flow=in_flow))
    missing = "|".join(re.escape(key) for key in OURS if key not in {key for key, _, _ in notes})
    text = draw(
        st.sampled_from(["", "---" + newline, f"a: |{newline} {IPS}: x{newline}---{newline}"])
    )
    text += newline.join([
        f"# {draw(words)}", "apiVersion: v1", "kind: Service", f"spec:{draw(comments)}",
        f"{step}type:   LoadBalancer{draw(comments)}", f"metadata:{draw(comments)}", f"{step}name: &app web",
        f"{step}annotations:",
    ])  # fmt: skip
    pattern = re.escape(text)

    def put(fixed: str) -> None:
        nonlocal text, pattern
        text, pattern = text + fixed, pattern + re.escape(fixed)

    def hold(key: str, before: str, value: str) -> None:
        nonlocal text, pattern
        put(f"{key}:{before}")
        text += value
        quote = value[:1] if value[:1] in {"'", '"'} else ""
        pattern += f"{quote}{HOLE}{quote}" if key in OURS else re.escape(value)

    indent = step * 2
    if in_flow:
        put(f"{draw(blanks)}{{")
        for number, note in enumerate(notes):
            put(f", {newline + indent if draw(st.booleans()) else ''}" if number else "")
            hold(*note)
        pattern += rf"(, ({missing}): {HOLE})*"
        put(draw(st.sampled_from(["}", " }", f"{newline}{indent}}}"])) + draw(comments))
    else:
        put(draw(comments))
        for note in notes:
            put(newline + (f"{indent}# {draw(words)}{newline}" if draw(st.booleans()) else ""))
            put(indent)
            hold(*note)
            put(draw(comments))
        pattern += rf"({newline}{indent}({missing}): {HOLE})*"
    put(draw(st.sampled_from(["", newline, f"{newline}{step}labels: {{app: *app}} # x{newline}"])))
    return text, pattern, expected


@given(services())
def test_managed_annotations_are_the_only_thing_that_changes(made):
    """All other text is there, byte for byte; a YAML 1.2 parser reads ours, then theirs."""
    text, pattern, expected = made
    files = {"home.yaml": PREFIX, "m.yaml": text.encode()}
    for hour, prefix in enumerate((A, B)):
        rendering = render_once(files, prefix, hour)
        assert not [str(one) for one in rendering.problems if one.severity == "error"]
        files |= rendering.files
    after = files["m.yaml"].decode()
    assert render_once(files, B, 9).files == {}
    assert re.fullmatch(pattern, after), after
    old, new = (YAML(typ="safe", pure=True).load_all(io.StringIO(one)) for one in (text, after))
    *_, before = old
    *_, service = new
    before["metadata"]["annotations"] |= expected
    assert service == before


texts = st.text(max_size=30)


@given(st.dictionaries(st.sampled_from([*OURS, "dynamic-prefix.io/suffix"]), texts), texts)
def test_no_annotation_gives_a_traceback(annotations, name):
    """Whatever a Service's annotations say, it is rendered or it is a problem."""
    notes = {"dynamic-prefix.io/name": "home", "dynamic-prefix.io/address-range": "lb"}
    metadata = {"name": name, "annotations": notes | annotations}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata}
    files = {"home.yaml": PREFIX, "m.yaml": json.dumps(service, ensure_ascii=False).encode()}
    rendering = render_once(files, A)
    wrong = any(one.severity == "error" for one in rendering.problems)
    assert ("m.yaml" in rendering.files) != wrong
