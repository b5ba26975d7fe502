"""ConfigMaps: the names of their variables, and what stays as it is."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.prefix import AddressRange, Prefix, Subnet
from gitops_prefix.decide.specification import Specification
from gitops_prefix.render.address_text import hextets
from gitops_prefix.render.targets.config_map import first_words, variables
from tests.render.repository import PREFIX, A, B, C, problems_of, render_all, render_once

CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: variables
  annotations:
    dynamic-prefix.io/name: home
    dynamic-prefix.io/variables: "true"
data:
  MINE: stays
"""


def test_comments_between_empty_braces_stay():
    before = CONFIG_MAP.replace("data:\n  MINE: stays\n", "data: {  # ours\n  # none yet\n}\n")
    after = render_all(before, A)
    assert after.startswith(before.removesuffix("}\n") + '  HOME_PREFIX: "2001:db8:a::/64", ')
    assert after.endswith("\n}\n")


@pytest.mark.parametrize(
    ("name", "words"),
    [("home", "HOME"), ("home-ipv6", "HOME_IPV6"), ("a.b-c", "A_B_C"), ("6to4", "_6TO4")],
)
def test_a_name_is_what_flux_can_substitute(name: str, words: str):
    """In capitals; a variable never begins with a digit."""
    assert first_words(name) == words


@given(
    st.from_regex(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", fullmatch=True),
    st.sets(st.from_regex(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", fullmatch=True), max_size=4),
)
def test_every_name_is_a_variable_to_flux(name: str, parts: set[str]):
    """Whatever Kubernetes lets a DynamicPrefix, a range and a subnet be called."""
    ranges = tuple(AddressRange(part, 0, 1) for part in parts)
    subnets = tuple(Subnet(part, 0, 64) for part in parts)
    for one in variables(Specification(name, ranges=ranges, subnets=subnets)):
        assert re.fullmatch(r"[_A-Za-z][_A-Za-z0-9]*", one.name)


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("2001:db8:1::/48", "2001:db8:1"),
        ("2001:db8:1:10::/60", "2001:db8:1:10"),
        ("2001:db8::/64", "2001:db8:0:0"),
        ("2001:db8::1/128", "2001:db8:0:0:0:0:0:1"),
        ("::/0", ""),
    ],
)
def test_a_network_is_the_hextets_that_the_prefix_reaches_into(prefix: str, said: str):
    """`::1` behind it is an address in the prefix, unless no hextet is left."""
    assert hextets(Prefix.parse(prefix)) == said


def value(text: str, name: str) -> str:
    (found,) = re.findall(rf"^  {name}: (.*)$", text, re.MULTILINE)
    return found


def test_the_past_prefix_comes_and_goes_while_the_names_stay():
    """The history empties: its variables are empty, and not what they were."""
    once, twice = render_all(CONFIG_MAP, A), render_all(CONFIG_MAP, A, B)
    assert value(once, "HOME_PREVIOUS_PREFIX") == '""'
    assert value(twice, "HOME_PREVIOUS_LB_CIDR") == '"2001:db8:a:0:f000::/68"'
    assert value(render_all(CONFIG_MAP, A, B, C), "HOME_PREVIOUS_PREFIX") == '"2001:db8:b::/64"'
    forgetful = PREFIX + b"  transition: {maxPrefixHistory: 0}\n"
    status = render_once({"home.yaml": PREFIX, "manifest.yaml": CONFIG_MAP.encode()}, A).files
    files = {"home.yaml": forgetful + status["home.yaml"][len(PREFIX) :]}
    again = (
        render_once(files | {"manifest.yaml": twice.encode()}, B).files["manifest.yaml"].decode()
    )
    assert value(again, "HOME_PREVIOUS_LB_CIDR") == '""'
    assert re.findall(r"^  (\w+):", again, re.MULTILINE) == re.findall(
        r"^  (\w+):", twice, re.MULTILINE
    )


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("  HOME_PREFIX: 'x'\n", "  HOME_PREFIX: '2001:db8:a::/64'\n"),
        ("  HOME_PREFIX: x # why\n", "  HOME_PREFIX: 2001:db8:a::/64 # why\n"),
        ("  HOME_PREFIX:\n", '  HOME_PREFIX: "2001:db8:a::/64"\n'),
        ("  HOME_PREFIX: 1\n", "  HOME_PREFIX: 2001:db8:a::/64\n"),
    ],
    ids=["in its quotes", "with its comment", "nothing yet", "a number"],
)
def test_a_variable_that_is_there_is_ours_by_its_name(written: str, becomes: str):
    """It stays at its line; what is missing goes to the end."""
    assert render_all(CONFIG_MAP + written, A).startswith(CONFIG_MAP + becomes)


TRUE = 'variables: "true"'


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (
            CONFIG_MAP.replace(TRUE, 'variables: "yes"'),
            "manifest.yaml:7:34 no-variables: a ConfigMap follows home only with "
            'dynamic-prefix.io/variables: "true"; "yes" is neither "true" nor "false"',
        ),
        (CONFIG_MAP.replace(TRUE, "variables: true"), "manifest.yaml:7:34 wrong-type"),
        (CONFIG_MAP.replace(TRUE, "address-range: lb"), "manifest.yaml:6:5 no-variables"),
        (
            CONFIG_MAP.replace("\ndata", "\n    dynamic-prefix.io/subnet: low\ndata"),
            "manifest.yaml:8:31 unused-annotation",
        ),
        (CONFIG_MAP + "  HOME_GONE_START: x\n", "manifest.yaml:10:20 left-over-variable"),
        (CONFIG_MAP + "  HOME_PREFIX: |\n    x\n", "manifest.yaml:10:16 edit-refused"),
        (
            CONFIG_MAP.replace("data:\n  MINE: stays", "data: text"),
            "manifest.yaml:8:7 edit-refused",
        ),
        (CONFIG_MAP.replace("\n  MINE: stays", " [a]"), "manifest.yaml:8:7 edit-refused"),
    ],
)
def test_what_is_odd_is_told_at_its_place(manifest: str, said: str):
    """Refused where it would not be followed, warned of where it may be meant."""
    assert said in " ".join(problems_of(manifest))


def test_data_from_a_merge_is_left_where_it_is():
    """Written here, ours would hide what the merge brings."""
    manifest = CONFIG_MAP.replace("data:\n  MINE: stays\n", "<<: {data: {MINE: stays}}\n")
    assert "edit-refused: data comes from a merge" in problems_of(manifest)[0]


def test_two_parts_that_give_one_name_are_refused():
    """A range and a subnet of one name both have a CIDR."""
    home = PREFIX.replace(b"name: low", b"name: lb")
    rendering = render_once({"home.yaml": home, "manifest.yaml": CONFIG_MAP.encode()}, A)
    (problem,) = rendering.problems
    assert problem.code == "variable-twice"
    assert "HOME_LB_CIDR" in problem.message
    assert rendering.files.keys() == {"home.yaml"}


def test_only_what_moved_is_told_as_a_change():
    """A large file among the data is in no report."""
    files = {"home.yaml": PREFIX, "manifest.yaml": render_all(CONFIG_MAP, A).encode()}
    files["home.yaml"] = render_once(files, A).files["home.yaml"]
    moved = next(one for one in render_once(files, B).changes if one.field == "data")
    assert moved.before["HOME_PREFIX"] == str(A)
    assert moved.after["HOME_PREFIX"] == str(B)
    assert "MINE" not in moved.after
