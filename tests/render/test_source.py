"""Where the documents of a file begin and end, without a parser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gitops_prefix.errors import Place
from gitops_prefix.render.source import Edit, Source, splice

CASES = {
    "nothing": ("", []),
    "blank lines": ("\n \n\t\n", []),
    "comments alone": ("# one\n  # two\n", []),
    "one document": ("a: b\n", ["a: b\n"]),
    "without a line break": ("a", ["a"]),
    "a marker in front": ("---\na: b\n", ["---\na: b\n"]),
    "comments in front of a marker": ("# c\n---\na\n", ["# c\n---\na\n"]),
    "a directive belongs to its document": ("%YAML 1.2\n---\na\n", ["%YAML 1.2\n---\na\n"]),
    "a directive behind an end": ("a\n...\n%YAML 1.2\n---\nb\n", ["a\n", "\n%YAML 1.2\n---\nb\n"]),
    "two": ("a\n---\nb\n", ["a\n", "---\nb\n"]),
    "two, with an end between them": ("a\n...\n---\nb\n", ["a\n", "\n---\nb\n"]),
    "an empty one counts, as it does for kubectl": ("---\n---\na\n", ["---\n", "---\na\n"]),
    "an end alone is none": ("...\n", []),
    "an end, then comments": ("a\n...\n# c\n", ["a\n"]),
    "content on the marker's line": ("--- {a: b}\n--- c\n", ["--- {a: b}\n", "--- c\n"]),
    "CRLF": ("a\r\n---\r\nb\r\n", ["a\r\n", "---\r\nb\r\n"]),
    "no marker: more than three": ("----\n--- a\n", ["----\n", "--- a\n"]),
    "no marker: indented": ("a: |\n  ---\n  ...\nb: c\n", ["a: |\n  ---\n  ...\nb: c\n"]),
    "no marker: a word": ("---a\n...b\n", ["---a\n...b\n"]),
    "a marker ends a block scalar": ("a: |\n---\nb\n", ["a: |\n", "---\nb\n"]),
    "the last line is a marker": ("a\n---", ["a\n", "---"]),
}


@pytest.mark.parametrize(("text", "documents"), CASES.values(), ids=CASES)
def test_documents_are_found_by_their_markers(text: str, documents: list[str]):
    spans = list(Source("a.yaml", text).documents())
    assert [text[span.start : span.end] for span in spans] == documents
    assert [span.number for span in spans] == list(range(len(documents)))


LINES = ["---", "...", "--- x", "a: b", "- c", "# d", "", "  --- e", "g: |\n  h", "'f'"]


@given(st.lists(st.sampled_from(LINES), max_size=8).map(lambda lines: "\n".join([*lines, ""])))
def test_there_are_as_many_as_a_parser_finds(text: str):
    """Whatever a YAML 1.2 parser accepts has the documents that it says."""
    try:
        parsed = list(YAML(typ="safe", pure=True).compose_all(text))
    except YAMLError:
        return
    assert len(list(Source("a.yaml", text).documents())) == len(parsed)


PLACES = {
    "the first character": ("abc", 0, (1, 1)),
    "behind a line break": ("a\nb", 2, (2, 1)),
    "on the line break": ("ab\n", 2, (1, 3)),
    "CRLF is one line break": ("a\r\nbc", 4, (2, 2)),
    "in characters, not bytes": ("äö🏠x", 3, (1, 4)),
    "the end": ("a\n", 2, (2, 1)),
}


@pytest.mark.parametrize(("text", "offset", "expected"), PLACES.values(), ids=PLACES)
def test_places_are_counted_as_editors_count(text: str, offset: int, expected: tuple[int, int]):
    assert Source("a.yaml", text).place(offset) == Place("a.yaml", *expected)


@pytest.mark.parametrize("content", [b"", b"a: \xc3\xa9\n", b"\xef\xbb\xbfa\r\n", b"\xef\xbb\xbf"])
def test_what_is_decoded_is_encoded_again(content: bytes):
    """A byte order mark is no part of the text, and stays in the file."""
    source = Source.decode("a.yaml", content)
    assert not source.text.startswith("\ufeff")
    assert source.encode(source.text) == content


def test_edits_that_overlap_are_a_mistake():
    with pytest.raises(ValueError, match="overlapping edits at 1"):
        splice("abc", [Edit(0, 2, "x"), Edit(1, 3, "y")])


def test_other_encodings_are_refused():
    with pytest.raises(UnicodeDecodeError):
        Source.decode("a.yaml", "a: é".encode("latin-1"))
