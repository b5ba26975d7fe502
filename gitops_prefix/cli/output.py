"""How answers and problems are printed: text, JSON, or GitHub workflow commands.

Data goes to stdout and everything else to stderr, but for errors in JSON or for
GitHub, which are the data that was asked for.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

import click

from gitops_prefix.errors import Problem, Severity
from gitops_prefix.publish.scrub import redact


class Format(StrEnum):
    """What `--output` takes."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}


def colour_wish() -> bool | None:
    """False with NO_COLOR (no-color.org), else None: click sees whether there is a terminal."""
    return False if os.environ.get("NO_COLOR") else None


def print_json(answer: object) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))


def print_errors(problems: Iterable[Problem], form: Format) -> None:
    """Print what stopped a command, and what else was found on the way.

    The words may be a server's: what we read of secrets is not in them.
    """
    problems = [replace(one, message=redact(one.message)) for one in problems]
    if form is Format.JSON:
        errors = [one for one in problems if one.severity is Severity.ERROR]
        others = [one.document() for one in problems if one not in errors]
        answer = {"errors": [one.document() for one in errors]}
        print_json(answer | ({"warnings": others} if others else {}))
    else:
        print_problems(problems, form)


def print_problems(problems: Iterable[Problem], form: Format) -> None:
    """Print problems of any severity for a reader, or as GitHub annotations."""
    for problem in problems:
        if form is Format.GITHUB:
            click.echo(_workflow_command(problem))
        else:
            label = click.style(f"{problem.severity}", fg=_COLOURS[problem.severity], bold=True)
            place = f"{problem.place}: " if problem.place else ""
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
