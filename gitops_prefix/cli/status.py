"""`validate` and `status`: questions to a directory, which stays as it is.

Is it right, and what does it hold? A running daemon can answer the second one, too.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from gitops_prefix.cli.manifests import (
    Directory,
    find_problems,
    has_errors,
    problems_document,
    refuse_errors,
    refuse_nothing,
)
from gitops_prefix.cli.options import (
    Command,
    config_option,
    directory_argument,
    exclude_option,
    option,
    output_option,
    path_option,
)
from gitops_prefix.cli.output import (
    BAD_INPUT,
    DONE,
    Format,
    colour_wish,
    print_json,
    print_problems,
    printable,
)
from gitops_prefix.errors import InputError, OutsideError, Problem, Severity
from gitops_prefix.render.binding import field_name
from gitops_prefix.render.inventory import describe

Document = Mapping[str, Any]
_SECONDS = 10.0


class _Bound(NamedTuple):
    """A managed field, as the JSON has it."""

    path: str
    kind: str
    namespace: str
    name: str
    field: str


@click.command("validate", cls=Command)
@directory_argument
@config_option
@output_option(Format.TEXT, Format.JSON, Format.GITHUB)
@path_option
@exclude_option
def validate_command(*, directory: Path, form: Format, path: str, exclude: tuple[str, ...]) -> int:
    """Check everything that gitops-prefix reads below DIR, and write nothing.

    Reports every error with its place, and warnings and notes.
    """
    files, inventory = Directory(directory, path, exclude).read()
    refuse_nothing(files, directory / path)
    problems = find_problems(inventory)
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if form is Format.JSON:
        print_json(problems_document(problems))
    else:
        print_problems(problems, form)
    if form is Format.TEXT:
        counted = (
            _counted(len(inventory.dynamic_prefixes), "DynamicPrefix", "es"),
            _counted(len(inventory.bindings), "managed field"),
            _counted(len(errors), "error"),
        )
        click.echo(", ".join(counted), err=bool(errors))
    return BAD_INPUT if errors else DONE


def _counted(number: int, word: str, ending: str = "s") -> str:
    return f"{number} {word}{'' if number == 1 else ending}"


@click.command("status", cls=Command)
@directory_argument
@config_option
@option(
    "--url",
    default="",
    metavar="URL",
    help='Ask the daemon at this address (its --listen) instead, as in "http://localhost:8080".',
)
@option(
    "--listen-token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file that holds the token of that daemon's --listen-token-file.",
)
@output_option(Format.TEXT, Format.JSON)
@path_option
@exclude_option
def command(  # noqa: PLR0913  each is one option
    *,
    directory: Path,
    url: str,
    listen_token_file: Path | None,
    form: Format,
    path: str,
    exclude: tuple[str, ...],
) -> int:
    """Show each DynamicPrefix below DIR: current, since when, history, what is bound to it.

    One with an error is left out, and its errors follow the others. With --url, a running daemon
    answers: also what the link says, and the last publication.
    """
    answer, problems = (
        (_ask(url, listen_token_file), ()) if url else _read(Directory(directory, path, exclude))
    )
    code = BAD_INPUT if problems else DONE
    if form is Format.JSON:
        print_json({**answer, **(problems_document(problems) if problems else {})})
        return code
    if not answer["prefixes"] and not problems:
        click.echo("no DynamicPrefix here; `gitops-prefix init` writes one", err=True)
    try:
        lines = _lines(answer)
    except (AttributeError, KeyError, TypeError) as error:
        # The files' own answer has the right shape.
        raise OutsideError(f"--url {url}: the answer is that of another version") from error
    for line in lines:
        first, space, rest = printable(line).partition("  ")
        click.echo(f"{click.style(first, bold=bool(first))}{space}{rest}", color=colour_wish())
    print_problems(problems, form)
    return code


def _lines(answer: Document) -> list[str]:
    lines = []
    for prefix in answer["prefixes"]:
        lines += [f"{prefix['name']}  ({prefix['path']})", *_status_lines(prefix)]
        lines += _link_lines(prefix)
        for bound in (_Bound(**binding) for binding in prefix["bindings"]):
            lines.append(f"  bound    {field_name(bound)} ({bound.path})")
    return lines + (_publication_lines(answer["publication"]) if "publication" in answer else [])


def _read(directory: Directory) -> tuple[Document, Sequence[Problem]]:
    """What is there, and every problem when one is an error.

    Raises:
        InputError: two DynamicPrefixes have one name, or the like: nothing can be shown.
    """
    _, inventory = directory.read()
    if inventory.stopped:
        refuse_errors(inventory.problems)
    document = {"prefixes": [described.document() for described in describe(inventory)]}
    return document, inventory.problems if has_errors(inventory.problems) else ()


def _ask(url: str, token_file: Path | None) -> Document:
    """Return the answer of a daemon's /status.

    Raises:
        InputError: the URL is not one of http, or the token cannot be read.
        OutsideError: nobody answers there, or another program does.
    """
    # Only this way of asking needs an HTTP client.
    from gitops_prefix.publish.credentials import one_line, token_from  # noqa: PLC0415
    from gitops_prefix.publish.http import HttpClient, Request, Response  # noqa: PLC0415

    if not url.startswith(("http://", "https://")) or not url.partition("://")[2].strip("/"):
        message = f'--url "{url}" is not a URL of http: write "http://localhost:8080", for example'
        raise InputError(Problem("invalid-value", message))
    place = url.rstrip("/")
    place = place if place.endswith("/status") else f"{place}/status"
    headers = {}
    if token_file is not None:
        name = "--listen-token-file"
        token = one_line(token_from(token_file, name).read, f"{name} {token_file}")()
        headers = {"Authorization": f"Bearer {token}"}
    answer = HttpClient(seconds=_SECONDS).send(Request("GET", place, headers))
    if not isinstance(answer, Response):
        raise OutsideError(f"--url {url}: {answer.words}")
    document = answer.json()
    if not isinstance(document, dict) or not {"prefixes", "publication"} <= document.keys():
        raise OutsideError(f"--url {url}: what answers there is not gitops-prefix")
    return document


def _status_lines(prefix: Document) -> list[str]:
    if prefix["current"] is None:
        return ["  current  none yet: it waits for a first prefix"]
    since = prefix["acquired_at"] or "an unknown time"
    lines = [f"  current  {prefix['current']} since {since} ({prefix['source']})"]
    for past in prefix["history"]:
        until = past["deprecated_at"] or "an unknown time"
        lines.append(f"  history  {past['prefix']} until {until} ({past['state']})")
    return lines


def _link_lines(prefix: Document) -> list[str]:
    """What a daemon hears on the link; a directory does not know it."""
    lines = [f"  link     {prefix['standing']}"] if prefix.get("standing") else []
    for heard in prefix.get("announced", ()):
        where = f"{heard['router']} on {heard['interface']}"
        lines.append(f"  heard    {heard['prefix']} from {where}: {heard['verdict']}")
    return lines


def _publication_lines(publication: Document) -> list[str]:
    result = publication["result"] or "no pass has ended yet"
    words = f": {publication['words']}" if publication["words"] else ""
    where = f"{publication['branch']} of {publication['repository']}"
    lines = [f"published to {where}", f"  result   {result}{words}"]
    for name, key in (
        ("commit", "commit"),
        ("waiting", "pending_since"),
        ("right", "last_success"),
    ):
        if publication[key]:
            lines.append(f"  {name:<8} {'since ' * (name == 'waiting')}{publication[key]}")
    lines += [f"  after    {line}" for line in publication["delivered"]]
    for problem in publication["problems"]:
        lines.append(f"  problem  {problem['message']} [{problem['code']}]")
    return lines
