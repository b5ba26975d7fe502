"""How answers, diffs and problems are printed, and which exit code says what.

Data goes to stdout and everything else to stderr. Errors in JSON or for GitHub are data,
since they were asked for.
"""

import io
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, TextIO

import click

from gitops_prefix.errors import Problem, Severity

DONE = 0
NO = 1
"""The answer is "no": something would change, or none came."""
BAD_INPUT = 2
"""Bad input or usage; nothing was changed."""
OUTSIDE_FAILED = 3
"""Git, the network or the cluster failed; nothing was lost."""
INTERRUPTED = 130


class Format(StrEnum):
    """What `--output` takes."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


_SEVERITY_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}

_DIFF_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


class _UntilClosed(io.FileIO):
    """A stream that drops what nobody reads any more, as in `validate | head -1`."""

    def write(self, octets: Any) -> int:
        try:
            return super().write(octets)
        except BrokenPipeError:
            drop_the_rest(self)
            return len(octets)


def outlive_readers() -> None:
    """Let a command end with its own exit code, although who reads its words leaves before.

    Not for a command that runs until somebody ends it.
    """
    if sys.__stdout__ is not None and sys.stdout is sys.__stdout__:
        sys.stdout = _outliving(sys.__stdout__)
    if sys.__stderr__ is not None and sys.stderr is sys.__stderr__:
        sys.stderr = _outliving(sys.__stderr__)


def _outliving(stream: TextIO) -> TextIO:
    stream.flush()
    buffer = io.BufferedWriter(_UntilClosed(stream.fileno(), "wb", closefd=False))
    return io.TextIOWrapper(
        buffer, stream.encoding, stream.errors, line_buffering=bool(stream.line_buffering)
    )


def drop_the_rest(stream: io.FileIO | TextIO) -> None:
    """Discard what was not written yet: Python would complain of it at exit, with the code 120."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def colour_wish() -> bool | None:
    """Return False with NO_COLOR (no-color.org), else None: click looks for a terminal."""
    return False if os.environ.get("NO_COLOR") else None


def printable(text: str) -> str:
    """Return text that a stranger chose, without a character that a terminal obeys."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def log_line(text: str) -> str:
    """Return a line that begins with a path, `printable`, and no command of a GitHub runner.

    A runner takes any line of its log that begins with `::`, blanks or not, for a command.
    """
    line = printable(text)
    return f"./{line}" if line.lstrip().startswith("::") else line


def print_json(answer: object) -> None:
    """Print one JSON document on stdout."""
    import json  # noqa: PLC0415  most answers are text

    text = json.dumps(answer, indent=2, ensure_ascii=False)
    # A path whose bytes are not UTF-8 holds surrogates: JSON escapes them the same way.
    click.echo(text.encode(errors="backslashreplace").decode())


def print_errors(problems: Iterable[Problem], form: Format) -> None:
    """Print what stopped a command, and the other problems found on the way.

    A message may quote a server, so every secret that we have read is cut out.
    """
    from gitops_prefix.publish.scrub import redact  # noqa: PLC0415  only errors need it

    outlive_readers()
    problems = [replace(problem, message=redact(problem.message)) for problem in problems]
    if form is Format.JSON:
        errors = [problem for problem in problems if problem.severity is Severity.ERROR]
        others = [problem.document() for problem in problems if problem not in errors]
        answer = {"errors": [problem.document() for problem in errors]}
        print_json(answer | ({"warnings": others} if others else {}))
    else:
        print_problems(problems, form)


def print_problems(problems: Iterable[Problem], form: Format) -> None:
    """Print problems of any severity for a reader, or as GitHub annotations."""
    for problem in problems:
        if form is Format.GITHUB:
            click.echo(_workflow_command(problem))
        else:
            label = click.style(
                f"{problem.severity}", fg=_SEVERITY_COLOURS[problem.severity], bold=True
            )
            place = log_line(f"{problem.place}: ") if problem.place else ""
            line = f"{place}{label}: {problem.message} [{problem.code}]"
            click.echo(line, err=True, color=colour_wish())


def _workflow_command(problem: Problem) -> str:
    """`::error file=…::…` (GitHub, "Workflow commands"), escaped as its toolkit does."""
    properties = {"title": problem.code}
    if problem.place:
        properties["file"] = problem.place.path
        if problem.place.line:
            properties |= {"line": str(problem.place.line), "col": str(problem.place.column)}
    listed = ",".join(
        f"{key}={_escape(text).replace(':', '%3A').replace(',', '%2C')}"
        for key, text in properties.items()
    )
    return f"::{problem.severity} {listed}::{_escape(problem.message)}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def colour_diff(diff: str) -> str:
    """The same diff, with added, removed and hunk lines in colour; obeys NO_COLOR."""
    if os.environ.get("NO_COLOR"):
        return diff
    return "".join(_colour(line) for line in diff.splitlines(keepends=True))


def _colour(line: str) -> str:
    if line.startswith(("+++", "---", "diff ")):
        return click.style(line, bold=True)
    colour = _DIFF_COLOURS.get(line[:1])
    return click.style(line, fg=colour) if colour else line


def unified_diff(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> str:
    """The lines that differ between files, in the order of their paths.

    Args:
        before: content by path.
        after: that of the files which change.
    """
    import difflib  # noqa: PLC0415  only --diff needs it

    lines: list[str] = []
    for path, content in sorted(after.items()):
        old = before[path].decode(errors="replace").splitlines(keepends=True)
        new = content.decode(errors="replace").splitlines(keepends=True)
        for line in difflib.unified_diff(old, new, f"a/{path}", f"b/{path}"):
            complete = line.endswith("\n")
            lines.append(line if complete else f"{line}\n\\ No newline at end of file\n")
    return colour_diff("".join(lines))
