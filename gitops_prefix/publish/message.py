"""The commit message: what changed, for people and in trailers for machines. PURE.

Git reads trailers from the last paragraph (git-interpret-trailers(1)). That paragraph is
ours alone: no name in the repository, and no template, can write a trailer. A template of
the user's (Jinja, sandboxed) sees plain text and lists, and no object of ours; jinja2 is
imported only when there is a template.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from gitops_prefix.errors import Place, Problem, Severity
from gitops_prefix.plan.occasion import Changed, Occasion, StatusChange
from gitops_prefix.render.binding import field_name

PROPOSED_TO = "Proposed-To"
"""The trailer of a commit that waits to be merged: it names the branch to merge into."""
OURS = ("Dynamic-Prefix", "Previous-Prefix", "Current-Prefix", "Prefix-Source", PROPOSED_TO)
_TRAILER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*): (\S.*)")
_LONGEST = 200
# Lines at which git and git-am(1) assume the end of the message and the begin of a patch.
_END_OF_MESSAGE = re.compile(r"---(?!\S)|diff -|Index: ")
_MOST_LINES = 1000
"""A message lists this many fields, and counts the others."""
MOST_CHARACTERS = 64 * 1024
_MOST_ROUNDS = 10_000
_LONGEST_REPETITION = 10_000
SKIP_CI = "[skip ci]"
"""GitHub, GitLab, Gitea, Forgejo, Woodpecker and Azure find it anywhere in a message."""


class Trailer(NamedTuple):
    """One line `key: text`."""

    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.key}: {self.text}"


def parse_trailer(line: str) -> Trailer:
    """Read `Key: value`.

    Raises:
        ValueError: the line is not a trailer, or has the key of a trailer of ours.
    """
    found = _TRAILER.fullmatch(line)
    if found is None or not line.isprintable() or len(line) > _LONGEST:
        raise ValueError(
            f'"{one_line(line)}" is no trailer: write "Key: value" in one line, with a key of '
            'letters, digits and "-"'
        )
    if found[1].casefold() in {key.casefold() for key in OURS}:
        raise ValueError(f'"{found[1]}" is a trailer that gitops-prefix writes: choose another key')
    return Trailer(found[1], found[2].rstrip())


def with_trailers(text: str, trailers: Iterable[Trailer]) -> str:
    """Return a whole message: the text as git keeps it, and the trailers as the last paragraph.

    Args:
        text: subject and body. A trailer that its last paragraph holds already is not repeated.
        trailers: all trailers, in order.
    """
    block = [str(trailer) for trailer in trailers]
    paragraphs = _paragraphs(text)
    if len(paragraphs) > 1 and block:
        paragraphs[-1] = [line for line in paragraphs[-1] if line not in block]
    if block:
        paragraphs.append(block)
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines) + "\n"


def one_line(text: str) -> str:
    """Replace line breaks: names and paths come from the repository, and must stay on one line."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _paragraphs(text: str) -> list[list[str]]:
    paragraphs: list[list[str]] = [[]]
    for line in text.replace("\r\n", "\n").split("\n"):
        clean = one_line(line.replace("\t", "    ")).rstrip()
        if clean:
            paragraphs[-1].append(f" {clean}" if _END_OF_MESSAGE.match(clean) else clean)
        elif paragraphs[-1]:
            paragraphs.append([])
    return [lines for lines in paragraphs if lines]


def named(occasion: Occasion) -> tuple[StatusChange, ...]:
    """The DynamicPrefixes of an occasion, sorted, each name on one line."""
    found = occasion.transitions or occasion.standing
    renamed = (replace(change, name=one_line(change.name)) for change in found)
    return tuple(sorted(renamed, key=lambda change: change.name))


def subject(occasion: Occasion) -> str:
    """The first line."""
    transitions = named(occasion) if occasion.transitions else ()
    if not transitions:
        return "prefix: render anew"
    names = ", ".join(change.name for change in transitions)
    moved = sum(change.moved for change in transitions)
    if len(transitions) == 1:
        return f"prefix({names}): {_what(transitions[0])}"
    return f"prefix({names}): {moved} prefixes change" if moved else f"prefix({names}): expire"


def body(occasion: Occasion) -> str:
    """Each DynamicPrefix, if there are several, and each field; manual edits stand apart."""
    transitions = named(occasion) if len(occasion.transitions) > 1 else ()
    apart = {*map(change_line, occasion.by_hand), *map(change_line, occasion.first)}
    plain = [change for change in occasion.changes if change_line(change) not in apart]
    paragraphs = (
        [f"{change.name}: {_what(change)}" for change in transitions],
        _listed(plain),
        _listed(occasion.first, "Rendered for the first time:"),
        _listed(occasion.by_hand, "Edited by hand, and rendered again:"),
    )
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)


def own_trailers(occasion: Occasion) -> tuple[Trailer, ...]:
    """The trailers of every message, a group for each DynamicPrefix."""
    return tuple(trailer for change in named(occasion) for trailer in _trailers(change))


def change_line(change: Changed) -> str:
    """A field on one line."""
    return one_line(f"{change.path}: {field_name(change)}")


def _listed(changes: Sequence[Changed], title: str = "") -> list[str]:
    lines = [change_line(change) for change in changes[:_MOST_LINES]]
    if len(changes) > len(lines):
        lines.append(f"and {len(changes) - len(lines)} more")
    return [title, *lines] if title and lines else lines


def _what(change: StatusChange) -> str:
    if change.previous is None:
        return str(change.current.current)
    if change.moved:
        return f"{change.previous.current} -> {change.current.current}"
    gone = [str(p) for p in change.previous.prefixes if p not in change.current.prefixes]
    if gone:
        return f"{', '.join(gone)} leaves the history"
    if change.previous.dns_target != change.current.dns_target:
        return f"DNS moves to {change.current.dns_target}"
    if change.previous.source is not change.current.source:
        return f"{change.current.current} is now said by {change.current.source}"
    return "render anew"


def _trailers(change: StatusChange) -> Iterator[Trailer]:
    yield Trailer("Dynamic-Prefix", change.name)
    if change.previous is not None:
        yield Trailer("Previous-Prefix", str(change.previous.current))
    yield Trailer("Current-Prefix", str(change.current.current))
    yield Trailer("Prefix-Source", str(change.current.source))


if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment


class TemplateError(ValueError):
    """A template that is invalid, or fails for an occasion.

    Attributes:
        problem: what and where.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class MessageTemplate:
    """Makes subject and body; the trailers are always ours."""

    def __init__(self, text: str, path: str) -> None:
        """Compile it.

        Args:
            text: the template.
            path: how errors name it.

        Raises:
            TemplateError: the text is not a template.
        """
        from jinja2 import Template, TemplateSyntaxError  # noqa: PLC0415  only with a template

        self._text = text
        self._path = path
        environment = _environment()
        try:
            code = environment.compile(text, path, path)
        except TemplateSyntaxError as error:
            words = error.message or "cannot be read"
            raise self._error("template-syntax", words, error.lineno) from error
        self._template = Template.from_code(environment, code, environment.make_globals(None))

    def write(self, occasion: Occasion) -> str:
        """Return subject and body for an occasion.

        Raises:
            TemplateError: the template failed, wrote nothing, or wrote without end.
        """
        try:
            text = "".join(_bounded(self._template.generate(template_variables(occasion))))
        except Exception as error:  # a template may raise whatever an expression can
            line = _line_of(error, self._path)
            raise self._error("template-failed", f"{one_line(str(error))}", line) from error
        if not text.strip():
            raise self._error("template-failed", "the message is empty", 1)
        return text

    def _error(self, code: str, words: str, line: int) -> TemplateError:
        place = Place(self._path, line, _column(self._text, line, words))
        return TemplateError(Problem(code, f"the message template: {words}", place))


def _environment() -> "ImmutableSandboxedEnvironment":
    from jinja2 import StrictUndefined  # noqa: PLC0415  only with a template
    from jinja2.exceptions import SecurityError  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    class Environment(ImmutableSandboxedEnvironment):
        """The sandbox, without randomness and with bounded memory."""

        intercepted_binops = frozenset({"*", "**", "%"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            numbers = isinstance(left, int | float) and isinstance(right, int | float)
            sizes = [size for size in (left, right) if isinstance(size, int)]
            if operator == "**" or (not numbers and max(sizes, default=0) > _LONGEST_REPETITION):
                raise SecurityError(f'"{operator}" of that size is not for messages')
            return super().call_binop(context, operator, left, right)

    environment = Environment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    # The same change makes the same message.
    environment.globals.pop("lipsum")
    environment.filters.pop("random")
    environment.globals["range"] = _short_range
    return environment


def _short_range(*bounds: int) -> range:
    rounds = range(*bounds)
    if len(rounds) > _MOST_ROUNDS:
        raise OverflowError(f"range() of more than {_MOST_ROUNDS}")
    return rounds


def _bounded(pieces: Iterator[str]) -> Iterator[str]:
    left = MOST_CHARACTERS
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise OverflowError(f"the message is longer than {MOST_CHARACTERS} characters")
        yield piece


def template_variables(occasion: Occasion) -> Mapping[str, object]:
    """What a template sees (docs/messages.md)."""
    by_hand = {change_line(change) for change in occasion.by_hand}
    first = {change_line(change) for change in occasion.first}
    return {
        "subject": subject(occasion),
        "body": body(occasion),
        "prefixes": [_prefix(change) for change in named(occasion)],
        "changes": [_change(change, by_hand, first) for change in occasion.changes],
        "files": sorted({one_line(change.path) for change in occasion.changes}),
    }


def _prefix(change: StatusChange) -> Mapping[str, object]:
    return {
        "name": change.name,
        "previous": str(change.previous.current) if change.previous else "",
        "current": str(change.current.current),
        "moved": change.moved,
        "source": str(change.current.source),
        "router": one_line(change.router.address) if change.router else "",
        "interface": one_line(change.router.interface) if change.router else "",
        "history": [str(past.prefix) for past in change.current.history],
    }


def _change(change: Changed, by_hand: set[str], first: set[str]) -> Mapping[str, object]:
    line = change_line(change)
    return {
        "path": one_line(change.path),
        "kind": one_line(change.kind),
        "namespace": one_line(change.namespace),
        "name": one_line(change.name),
        "field": one_line(change.field),
        "line": line,
        "by_hand": line in by_hand,
        "first": line in first,
    }


def _line_of(error: Exception, path: str) -> int:
    """The template line in which the error occurred."""
    line = 1
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _column(text: str, line: int, words: str) -> int:
    """The column of the name that the error quotes; else of the line's first expression."""
    lines = text.splitlines()
    written = lines[line - 1] if 0 < line <= len(lines) else ""
    for name in reversed(re.findall(r"'([^']+)'", words)):
        found = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", written)
        if found:
            return found.start() + 1
    found = re.search(r"{[{%]", written)
    return found.start() + 1 if found else 1


class Message(NamedTuple):
    """A whole message.

    Attributes:
        problem: why the template failed, if the default stands in its place.
    """

    text: str
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Wording:
    """How the user wants messages to look."""

    template: MessageTemplate | None = None
    trailers: tuple[Trailer, ...] = ()
    skip_ci: bool = False

    def write(self, occasion: Occasion) -> Message:
        """Return the message for an occasion; the default if the template fails."""
        try:
            return Message(self.attempt(occasion))
        except TemplateError as error:
            plain = replace(self, template=None)
            problem = replace(error.problem, severity=Severity.WARNING)
            return Message(plain.attempt(occasion), problem)

    def attempt(self, occasion: Occasion) -> str:
        """Return the message for an occasion.

        Raises:
            TemplateError: the template failed.
        """
        if self.template is None:
            text = "\n\n".join((subject(occasion), body(occasion)))
        else:
            text = self.template.write(occasion).lstrip("\n")
        if self.skip_ci and SKIP_CI not in text:
            first, _, rest = text.partition("\n")
            text = f"{first} {SKIP_CI}\n{rest}"
        return with_trailers(text, (*own_trailers(occasion), *self.trailers))
