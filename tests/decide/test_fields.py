"""Reading a mapping tells everything that is wrong with it, each with its path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.fields import FieldProblem, Fields, dotted, nearest
from gitops_prefix.decide.prefix import Prefix, parse_address
from gitops_prefix.errors import Severity

READERS = {
    "text": lambda fields: fields.text("field", "default"),
    "boolean": lambda fields: fields.boolean("field", default=False),
    "integer": lambda fields: fields.integer("field", 2, low=0, high=10),
    "parsed": lambda fields: fields.parsed("field", parse_address, 0),
    "choice": lambda fields: fields.choice("field", ("simple", "ha"), "simple"),
    "mapping": lambda fields: dict(fields.mapping("field").content),
    "mappings": lambda fields: [dict(item.content) for item in fields.mappings("field")],
    "texts": lambda fields: list(fields.texts("field")),
    "parsed_list": lambda fields: fields.parsed_list("field", parse_address),
}


@pytest.mark.parametrize(
    ("reader", "value", "read"),
    [
        ("text", "eth0", "eth0"),
        pytest.param("text", "", "", id="an empty string is a string"),
        ("boolean", True, True),
        ("integer", 0, 0),
        ("integer", 10, 10),
        ("parsed", "::1", 1),
        ("choice", "ha", "ha"),
        ("mapping", {"a": 1}, {"a": 1}),
        ("mappings", [{"a": 1}, {"b": 2}], [{"a": 1}, {"b": 2}]),
        ("texts", ["a", "b"], [(0, "a"), (1, "b")]),
        ("parsed_list", ["::1", "::2"], (1, 2)),
    ],
)
def test_a_field_that_is_right_is_read_without_a_word(reader, value, read):
    fields = Fields({"field": value})

    assert READERS[reader](fields) == read
    assert fields.problems == []


@pytest.mark.parametrize("absent", [{}, {"field": None}], ids=["no key", "null"])
@pytest.mark.parametrize(
    ("reader", "default"),
    [
        ("text", "default"),
        ("boolean", False),
        ("integer", 2),
        ("parsed", 0),
        ("choice", "simple"),
        ("mapping", {}),
        ("mappings", []),
        ("texts", []),
        ("parsed_list", ()),
    ],
)
def test_an_absent_field_is_its_default_without_a_word(reader, default, absent):
    fields = Fields(absent)

    assert READERS[reader](fields) == default
    assert fields.problems == []


@pytest.mark.parametrize(
    ("reader", "value", "default", "code", "message"),
    [
        ("text", 5, "default", "wrong-type", "spec.field: 5 is not a string: write it in quotes"),
        ("text", ["a"], "default", "wrong-type", "spec.field: ['a'] is not a string"),
        ("boolean", "yes", False, "wrong-type", "spec.field: 'yes' is not true or false"),
        (
            "boolean",
            "True",
            False,
            "wrong-type",
            "spec.field: 'True' is not true or false: write True without quotes",
        ),
        (
            "text",
            False,
            "default",
            "wrong-type",
            "spec.field: false is not a string: write it in quotes",
        ),
        ("boolean", 1, False, "wrong-type", "spec.field: 1 is not true or false"),
        (
            "integer",
            "2",
            2,
            "wrong-type",
            "spec.field: '2' is not a whole number: write 2 without quotes",
        ),
        ("integer", 2.5, 2, "wrong-type", "spec.field: 2.5 is not a whole number"),
        pytest.param(
            "integer",
            True,
            2,
            "out-of-range",
            "spec.field: true is not a whole number from 0 to 10",
            id="true is no 1",
        ),
        ("integer", -1, 2, "out-of-range", "spec.field: -1 is not a whole number from 0 to 10"),
        ("integer", 11, 2, "out-of-range", "spec.field: 11 is not a whole number from 0 to 10"),
        ("parsed", "x", 0, "invalid-value", "spec.field: 'x' is not an IPv6 address"),
        pytest.param(
            "parsed",
            5,
            0,
            "wrong-type",
            "spec.field: 5 is not a string: write it in quotes",
            id="told once, not twice",
        ),
        (
            "choice",
            "simpel",
            "simple",
            "invalid-value",
            'spec.field: "simpel" is not one of simple, ha. Did you mean "simple"?',
        ),
        ("choice", "zzz", "simple", "invalid-value", 'spec.field: "zzz" is not one of simple, ha'),
        (
            "mapping",
            [],
            {},
            "wrong-type",
            "spec.field: [] is not a mapping: write its fields below it",
        ),
        (
            "mappings",
            {},
            [],
            "wrong-type",
            "spec.field: {} is not a list: write each entry on a line of its own, behind `- `",
        ),
        pytest.param(
            "texts",
            "ab",
            [],
            "wrong-type",
            "spec.field: 'ab' is not a list: write each entry on a line of its own, behind `- `",
            id="a string is no list",
        ),
    ],
)
def test_a_field_that_is_wrong_is_its_default_and_one_problem(
    reader, value, default, code, message
):
    fields = Fields({"field": value}, ("spec",))

    assert READERS[reader](fields) == default
    assert fields.problems == [FieldProblem(("spec", "field"), code, message)]


@pytest.mark.parametrize(
    ("reader", "value", "read", "message"),
    [
        (
            "mappings",
            [{"a": 1}, "b"],
            [{"a": 1}],
            "field[1]: 'b' is not a mapping: write its fields below it",
        ),
        (
            "texts",
            ["a", 1, "c"],
            [(0, "a"), (2, "c")],
            "field[1]: 1 is not a string: write it in quotes",
        ),
        ("parsed_list", ["::1", "x"], (1,), "field[1]: 'x' is not an IPv6 address"),
    ],
)
def test_a_wrong_item_is_told_by_its_index_and_the_others_are_read(reader, value, read, message):
    fields = Fields({"field": value})

    assert READERS[reader](fields) == read
    assert [problem.message for problem in fields.problems] == [message]
    assert fields.problems[0].path == ("field", 1)


def test_nested_fields_share_one_list_of_problems():
    root = Fields({"spec": {"pools": [{"size": "x"}]}})
    pool = next(root.mapping("spec").mappings("pools"))
    pool.integer("size", 0, low=0, high=1)
    pool.problem(None, "code", "is wrong as a whole")

    assert [problem.message for problem in root.problems] == [
        "spec.pools[0].size: 'x' is not a whole number",
        "spec.pools[0]: is wrong as a whole",
    ]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("modus", 'spec.modus: gitops-prefix reads no such field. Did you mean "mode"?'),
        ("zzz", "spec.zzz: gitops-prefix reads no such field"),
        pytest.param(1, "spec.1: gitops-prefix reads no such field", id="a key that is no string"),
    ],
)
def test_a_field_that_nothing_reads_is_a_warning(key, message):
    fields = Fields({"mode": "ha", key: 1}, ("spec",))
    fields.only("mode", "retention")

    assert fields.problems == [
        FieldProblem(("spec", str(key)), "unknown-field", message, Severity.WARNING)
    ]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("spec",), "spec"),
        (("spec", "addressRanges", 0, "start"), "spec.addressRanges[0].start"),
        (("status", 1, 2), "status[1][2]"),
    ],
)
def test_a_path_is_written_as_people_write_it(path, text):
    assert dotted(path) == text


@pytest.mark.parametrize(
    ("word", "suggestion"),
    [
        ("loadbalancer", '. Did you mean "loadbalancers"?'),
        ("zzz", ""),
    ],
)
def test_the_nearest_word_is_suggested_if_one_is_near(word, suggestion):
    assert nearest(word, ("loadbalancers", "pods")) == suggestion


values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("reader", READERS)
@given(value=values)
def test_no_value_breaks_a_reader(reader, value):
    fields = Fields({"field": value})
    READERS[reader](fields)

    assert all(problem.message.startswith(dotted(problem.path)) for problem in fields.problems)


@pytest.mark.parametrize("word", ["PODS", "loadBalancers", "Loadbalancer"])
def test_case_does_not_hide_the_nearest_word(word):
    assert nearest(word, ("loadbalancers", "pods")).casefold().find(word[:4].casefold()) > 0


def test_an_address_that_became_a_key_and_one_of_a_block_scalar_are_explained():
    """`- 2001:db8::` ends with a colon, and `|` leaves a line break at the end."""
    fields = Fields({"listed": [{"2001:db8:": None}], "text": "2001:db8::/64\n"})
    assert fields.parsed_list("listed", Prefix.parse) == ()
    assert fields.parsed("text", Prefix.parse, None) is None
    first, second = (problem.message for problem in fields.problems)
    assert first.endswith('quote it, as in "2001:db8::"')
    assert second.endswith("as a block scalar does: write it on one line")
