"""What is wrong, where, and whose fault it is.

Two exceptions cross package borders: `InputError` (yours: exit code 2, nothing
was changed) and `OutsideError` (git, the network, the cluster: exit code 3,
nothing was lost). `cli` is the one door where they become messages and codes.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

_LONGEST = 2000


def shown(text: str) -> str:
    """Text that others wrote, as one line that a terminal or a log can show; its middle is cut out.

    A file name may hold a line break, and a terminal obeys escape sequences.
    """
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} [...] {text[-_LONGEST // 2 :]}"
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


class Severity(StrEnum):
    """How much a problem weighs: only an `ERROR` stops a rendering."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "notice"


class Place(NamedTuple):
    """A position in a file of the repository, as editors count.

    Attributes:
        path: relative to the repository's root, with forward slashes.
        line: from 1; 0 when the whole file is meant.
        column: from 1, in characters; 0 when the whole line is meant.
    """

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        path = shown(self.path)
        return f"{path}:{self.line}:{self.column}" if self.line else path


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, with how to mend it.

    Attributes:
        code: stable and kebab-case, listed in docs/problems.md.
        message: what is wrong with the value quoted, and what to write instead.
        place: where, when there is a file.
        severity: an error stops the rendering; the others are only reported.
        alone: whether an error is of one field, so that the rest of its document goes on.
    """

    code: str
    message: str
    place: Place | None = None
    severity: Severity = Severity.ERROR
    alone: bool = False

    def __post_init__(self) -> None:
        # What is quoted was written by somebody else, at any length.
        object.__setattr__(self, "message", shown(self.message))

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message

    def document(self) -> dict[str, object]:
        """The problem as JSON has it; without a place, path is null and line and column 0."""
        place = self.place
        return {
            "path": place.path if place else None,
            "line": place.line if place else 0,
            "column": place.column if place else 0,
            "code": self.code,
            "message": self.message,
        }


class GitopsPrefixError(Exception):
    """The family of errors that `cli` turns into a message and an exit code."""


class InputError(GitopsPrefixError):
    """What was given is wrong; nothing was changed. Exit code 2.

    Raise it with every problem found, not only the first.
    """

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class OutsideError(GitopsPrefixError):
    """Git, the network or the cluster failed; nothing was lost. Exit code 3."""
