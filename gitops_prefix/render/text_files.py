"""Text files of any kind, whose addresses a comment or the settings make follow.

    server=2001:db8::53  # {"$dynamicprefix": "home:rewrite"}

A marker is for what is left of it on its line, for the next line when it is alone on its own,
and between `:begin` and `:end` for every line. A comment begins with `#`, `//`, `;`, `--`, `/*`,
`<!--`, `%`, `!` or `{#`. Only addresses are changed, as `address_tokens` finds them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from string import hexdigits
from typing import NamedTuple

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.errors import Place, Problem, Severity
from gitops_prefix.render.address_text import LIST_COMMENTS, address_span, list_entry
from gitops_prefix.render.address_tokens import Moves, find_moves
from gitops_prefix.render.binding import Binding, Bound, FieldEdit, Following, Surroundings
from gitops_prefix.render.edit import moved_words
from gitops_prefix.render.files import MARKER, NEAR_MARKER, PlainList, misspelt_marker
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.marker import REWRITE, Marker, MarkerError, parse_marker
from gitops_prefix.render.node import ScalarNode
from gitops_prefix.render.source import Edit, line_start, newline_of

_JSON = re.compile(
    rf"\{{[ \t]*(?:(\"){re.escape(MARKER)}\"|[^\w\s]?{re.escape(MARKER)}\b)", re.ASCII
)
"""The form of a marker, or what should be one: with other quotes, or without quotes."""
_COMMENT = re.compile(
    r"(?:\{\{-?[ \t]*)?(?:#|//|;|--|/\*|<!--|%|!|\{#)[-#/;*!%~+]*[ \t]*\Z", re.ASCII
)
_PROSE = (".md", ".markdown", ".mdx", ".html", ".htm", ".xml", ".svg")
"""Where `#` begins no comment, and `<!--` alone does."""
_ENDS = (":begin", ":end")


class Region(NamedTuple):
    """A part of a text whose addresses follow.

    Attributes:
        dynamic_prefix: the name of what they follow.
        start: of the part.
        end: of the part.
        marker: where its marker is.
        name: the part, as people name it.
    """

    dynamic_prefix: str
    start: int
    end: int
    marker: int
    name: str


class _Mark(NamedTuple):
    """A marker in a comment: what it says, and where the comment around it begins."""

    text: str
    offset: int
    comment: int


def bind_text(manifest: Manifest, surroundings: Surroundings) -> Bound:
    """The marked parts of a text, and what is wrong with its markers.

    Args:
        manifest: the whole file as one document.
        surroundings: of the repository.
    """
    named = surroundings.named.get(manifest.path)
    plain_list = surroundings.lists.get(manifest.path)
    whole = named is not None or plain_list is not None
    reader = _Reader(manifest, surroundings)
    regions = list(reader.read(reader.marks(), whole=whole))
    if named is not None:
        regions = [Region(named, 0, len(manifest.text), 0, "addresses")]
    if named is not None and named not in surroundings.specifications:
        return Bound()
    if any(problem.severity is Severity.ERROR for problem in reader.problems):
        regions, plain_list = [], None
    if plain_list is not None:
        return _bind_list(manifest, plain_list, surroundings)
    bindings = tuple(
        Binding(
            manifest,
            (region.name,),
            region.dynamic_prefix,
            partial(_edit, region),
            at=ScalarNode("", None, region.marker, region.marker, None, None),
        )
        for region in regions
    )
    return Bound(bindings, (*reader.problems, *_misspelt(manifest)))


def _bind_list(manifest: Manifest, plain_list: PlainList, surroundings: Surroundings) -> Bound:
    """A file with the networks of a part of a prefix, the current one first, then the past ones."""
    name = plain_list.dynamic_prefix
    try:
        marker = parse_marker(
            ":".join(filter(None, (name, plain_list.part, "all-cidrs"))),
            surroundings.specifications,
        )
    except MarkerError as error:
        return Bound(problems=(Problem(error.code, f"lists: {error}", plain_list.place),))
    start = ScalarNode("", None, 0, 0, None, None)
    edit = partial(_edit_list, marker)
    return Bound((Binding(manifest, ("networks",), name, edit, at=start),))


def _misspelt(manifest: Manifest) -> Iterator[Problem]:
    """A warning for each comment that would be a marker, but for the spelling of its key."""
    text = manifest.text
    if text.count("$") == text.count(MARKER):
        return
    begin = "<!--" if manifest.path.lower().endswith(_PROSE) else ""
    for found in NEAR_MARKER.finditer(text):
        line = line_start(text, found.start())
        comment = _COMMENT.search(text, line, found.start())
        if comment is not None and comment[0].startswith(begin):
            place = manifest.source.place(manifest.span.start + found.start())
            words = misspelt_marker(found[1])
            yield Problem("unknown-marker", words, place, Severity.WARNING)


def read_regions(
    manifest: Manifest, surroundings: Surroundings, said: Iterable[tuple[str, int]]
) -> tuple[list[Region], list[Problem]]:
    """The parts of a YAML document that comments on lines of their own mark.

    Args:
        manifest: the document.
        surroundings: of the repository.
        said: what each marker says, and where its comment begins.
    """
    reader = _Reader(manifest, surroundings)
    marks = (_Mark(text, offset, offset) for text, offset in said)
    return [*reader.read(marks, whole=False)], reader.problems


class _Reader:
    """Reads the markers of one text from its begin to its end."""

    def __init__(self, manifest: Manifest, surroundings: Surroundings) -> None:
        self.problems: list[Problem] = []
        self._manifest, self._text = manifest, manifest.text
        self._surroundings = surroundings

    def _place(self, offset: int) -> Place:
        return self._manifest.source.place(self._manifest.span.start + offset)

    def read(self, marks: Iterable[_Mark], *, whole: bool) -> Iterator[Region]:
        """The marked parts, in the order of the text; all markers are wrong in a whole text."""
        begun: tuple[str, _Mark] | None = None
        for mark in marks:
            name, end = self._name(mark)
            if name is None:
                continue
            if whole:
                self._error(
                    "marker-misplaced", "gitops-prefix.yaml names the whole file: remove it", mark
                )
            elif end == ":end":
                if begun is None or begun[0] != name:
                    self._unpaired(mark, name, begun)
                else:
                    yield self._between(name, begun[1], mark)
                    begun = None
            elif begun is not None:
                where = self._place(begun[1].offset)
                message = (
                    f"is between the begin at {where} and its end: remove it, or end that first"
                )
                self._error("marker-overlap", message, mark)
            elif end == ":begin":
                begun = name, mark
            else:
                region = self._beside(name, mark)
                if region is not None:
                    yield region
        if begun is not None:
            name, mark = begun
            message = (
                f'has no end: write {{"{MARKER}": "{name}:{REWRITE}:end"}} behind the last line'
            )
            self._error("marker-unclosed", message, mark)

    def marks(self) -> Iterator[_Mark]:
        """The markers of a text that is no YAML."""
        prose = self._manifest.path.lower().endswith(_PROSE)
        for found in _JSON.finditer(self._text):
            start = found.start()
            line = line_start(self._text, start)
            comment = _COMMENT.search(self._text, line, start)
            if prose and (comment is None or not comment[0].startswith("<!--")):
                continue
            if comment is None and not found[1]:
                continue
            said = _said(self._text, start)
            if comment is None:
                message = (
                    "is in no comment of its own, and marks nothing: write it alone behind # or //"
                )
                self._report("marker-aside", message, start, Severity.WARNING)
            elif said is None:
                message = 'is not {"$dynamicprefix": "NAME:rewrite"}: correct the comment'
                self._report("marker-not-json", message, start)
            else:
                yield _Mark(said, start, comment.start())

    def _name(self, mark: _Mark) -> tuple[str | None, str]:
        """The DynamicPrefix, or None when the marker is wrong; and `:begin`, `:end` or nothing."""
        end = next((end for end in _ENDS if mark.text.endswith(f":{REWRITE}{end}")), "")
        text = mark.text.removesuffix(end)
        try:
            marker = parse_marker(text, self._surroundings.specifications)
        except MarkerError as error:
            self._error(error.code, str(error), mark)
            return None, end
        name = marker.reference.dynamic_prefix
        if marker.field != REWRITE:
            message = (
                f"{marker.field} is for YAML: in any other text write {name}:{REWRITE}, "
                f"{name}:{REWRITE}:begin or {name}:{REWRITE}:end"
            )
            self._error("marker-field", message, mark)
            return None, end
        return name, end

    def _beside(self, name: str, mark: _Mark) -> Region | None:
        """What is left of a marker, or the next line."""
        text = self._text
        start = line_start(text, mark.offset)
        number = self._place(mark.offset).line
        if text[start : mark.comment].strip():
            return Region(name, start, mark.comment, mark.offset, f"line {number}")
        start = text.find("\n", mark.offset) + 1
        if not start:
            message = "is alone on the last line, and marks nothing: write it above a line"
            self._error("marker-misplaced", message, mark)
            return None
        end = text.find("\n", start)
        return Region(name, start, len(text) if end < 0 else end, mark.offset, f"line {number + 1}")

    def _between(self, name: str, begin: _Mark, end: _Mark) -> Region:
        start = line_start(self._text, begin.offset)
        first, last = (self._place(mark.offset).line for mark in (begin, end))
        return Region(name, start, end.comment, begin.offset, f"lines {first}-{last}")

    def _unpaired(self, mark: _Mark, name: str, begun: tuple[str, _Mark] | None) -> None:
        if begun is None:
            message = (
                f'has no begin: write {{"{MARKER}": "{name}:{REWRITE}:begin"}} above the first line'
            )
        else:
            where = self._place(begun[1].offset)
            message = f"ends {name}, and the begin at {where} is of {begun[0]}: end that first"
        self._error("marker-overlap" if begun else "marker-unclosed", message, mark)

    def _error(self, code: str, message: str, mark: _Mark) -> None:
        self._report(code, message, mark.offset)

    def _report(
        self, code: str, message: str, offset: int, severity: Severity = Severity.ERROR
    ) -> None:
        place = self._place(offset)
        self.problems.append(Problem(code, f"marker: {message}", place, severity))


def _said(text: str, start: int) -> str | None:
    import json  # noqa: PLC0415  most repositories have no marker

    line_end = text.find("\n", start)
    line = text[start : len(text) if line_end < 0 else line_end]
    try:
        read, _ = json.JSONDecoder().raw_decode(line)
    except (ValueError, RecursionError):
        return None
    said = read.get(MARKER)
    return said if isinstance(said, str) else None


def _edit(region: Region, binding: Binding, following: Following) -> FieldEdit:
    """Move what lies in a past prefix."""
    text = binding.manifest.text
    current, *past = following.bases
    find = partial(_moves_in, text, region)
    moves = find(past, current)
    problems = tuple(rewriting_problems(binding, following, moves, find))
    if not moves.edits:
        return binding.unchanged(problems)
    before, after = ([*dict.fromkeys(words)] for words in moved_words(text, moves, past, current))
    return FieldEdit(binding, moves.edits, before, after, problems)


def _moves_in(text: str, region: Region, past: Sequence[Prefix], current: Prefix) -> Moves:
    moves = find_moves(text[region.start : region.end], past, current)
    if not region.start:
        return moves
    return Moves(
        tuple(edit.shifted(region.start) for edit in moves.edits),
        moves.ours,
        tuple(token.shifted(region.start) for token in moves.stuck),
    )


def _edit_list(marker: Marker, binding: Binding, following: Following) -> FieldEdit:
    """Write our networks in the place of ours, or behind the comments at the begin.

    Every other line stays. A list without a network of ours is never written: who reads it would
    lose them all.
    """
    wanted, *old = (marker.values(following.specification, status) for status in following.statuses)
    text = binding.manifest.text
    newline = newline_of(text)
    lines = text.split(newline)
    known = {address_span(entry) for entries in (wanted, *old) for entry in entries}
    ours = {number: line for number, line in enumerate(lines) if list_entry(line) in known - {None}}
    there = {list_entry(line): line for line in ours.values()}
    spans = [address_span(entry) for entry in wanted]
    if not wanted or [list_entry(line) for line in ours.values()] == spans:
        return binding.unchanged()
    first = min(ours, default=_behind_comments(lines))
    others = [line for number, line in enumerate(lines) if number not in ours]
    new = [there.get(span, entry) for span, entry in zip(spans, wanted, strict=True)]
    after = newline.join([*others[:first], *new, *others[first:]])
    edit = Edit(0, len(text), after)
    return FieldEdit(binding, (edit,), [*ours.values()], [*wanted], whole=after)


def _behind_comments(lines: Sequence[str]) -> int:
    """The number of comments and blank lines at the begin; the end of the file is no line."""
    texts = [line.strip() for line in lines]
    begin = next(
        (n for n, text in enumerate(texts) if text and not text.startswith(LIST_COMMENTS)),
        len(lines),
    )
    return min(begin, len(lines) - (not lines[-1]))


def rewriting_problems(
    binding: Binding,
    following: Following,
    moves: Moves,
    find: Callable[[Sequence[Prefix], Prefix], Moves],
) -> Iterator[Problem]:
    """Warnings: nothing that could ever move, no room, and a link with another place.

    Args:
        binding: of the text.
        following: what it follows.
        moves: of its addresses.
        find: the moves of its addresses from other prefixes to another one.
    """
    current, manifest = following.bases[0], binding.manifest
    if not (moves.edits or moves.ours or moves.stuck):
        message = (
            f"{binding.field}: nothing in it lies in {current} or a past prefix, so it never "
            "moves: write the first address, or remove the marker"
        )
        yield Problem("nothing-of-ours", message, binding.place, Severity.WARNING)
    link = following.after.current
    for past in following.other_links:
        for edit in find([past], link).edits[:1]:
            message = (
                f"{binding.field}: an address is in {past}, which was current before "
                f"{link}. A rewrite moves it with the delegation {current} alone, and its subnet "
                "stays: write it anew if it belongs to the link"
            )
            start = _first_moved(manifest.text, edit)
            place = manifest.source.place(manifest.span.start + start)
            yield Problem("will-not-follow", message, place, Severity.WARNING)
    for token in moves.stuck:
        written = manifest.text[token.start : token.end]
        message = (
            f"{binding.field}: {written} has no place in {current}, and stays as it is: write it "
            "anew, or give its part of the network a prefix of its own"
        )
        place = manifest.source.place(manifest.span.start + token.start)
        yield Problem("will-not-follow", message, place, Severity.WARNING)


def _first_moved(text: str, edit: Edit) -> int:
    """Where the first address of an edit begins; all of a large text is one edit."""
    pairs = zip(text[edit.start : edit.end], edit.text, strict=False)
    same = next((number for number, (old, new) in enumerate(pairs) if old != new), 0)
    return edit.start + len(text[edit.start : edit.start + same].rstrip(f"{hexdigits}:."))
