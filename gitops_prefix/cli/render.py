"""`render` and `migrate`: manifests, from the statuses in them and from an operator's objects.

Checking and showing are the same call as rendering, without the write.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops_prefix.cli.manifests import (
    Directory,
    advance,
    find_nothing,
    foresee,
    has_errors,
    problems_document,
    refuse_errors,
    refuse_nothing,
    waiting,
)
from gitops_prefix.cli.options import (
    Command,
    Output,
    config_option,
    directory_argument,
    exclude_option,
    now_option,
    now_or_clock,
    option,
    output_option,
    path_option,
    prefix_option,
)
from gitops_prefix.cli.output import (
    BAD_INPUT,
    DONE,
    NO,
    Format,
    log_line,
    print_json,
    print_problems,
    printable,
    unified_diff,
)
from gitops_prefix.cli.worktree import read_managed_files, walk, write_files
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import Status
from gitops_prefix.errors import InputError, Place, Problem, Severity, shown
from gitops_prefix.render.binding import change_document, field_name
from gitops_prefix.render.files import IGNORE_FILE
from gitops_prefix.render.inventory import Inventory
from gitops_prefix.render.parse import NotYamlError, locate, plain_value
from gitops_prefix.render.rendering import Rendering, render
from gitops_prefix.render.source import Source

if TYPE_CHECKING:
    from gitops_prefix.plan.migration import Migrated, Object

_SPECIAL, _ESCAPED = re.compile(r"[\\*?\[\] ]"), re.compile(r"\\(.)")
"""What a pattern of gitignore(5) does not take as it is, and how it is written there."""
_LIVE_SUFFIXES = (".yaml", ".yml", ".json")
_FIRST_STEPS = """\
Stop the operator before the first push, since two writers undo each other:
  kubectl --namespace NAMESPACE scale deployment dynamic-prefix-operator --replicas 0
Its objects stay as they are then. docs/migrate.md has the steps after that."""


@click.command("render", cls=Command)
@directory_argument
@config_option
@prefix_option
@option("--check", is_flag=True, help="Write nothing. Exit code 1 when something would change.")
@option(
    "--diff",
    "show_diff",
    is_flag=True,
    help="Write nothing. Print a unified diff, with --output text.",
)
@option(
    "--output-dir",
    type=Output(),
    metavar="OUT",
    help="Write every managed file to this directory instead (the rendered-manifests pattern).",
)
@output_option(Format.TEXT, Format.JSON, Format.GITHUB)
@now_option
@path_option
@exclude_option
def command(  # noqa: PLR0913  one parameter an option
    *,
    directory: Path,
    observations: tuple[tuple[str, Prefix], ...],
    check: bool,
    show_diff: bool,
    output_dir: Path | None,
    form: Format,
    now: datetime | None,
    path: str,
    exclude: tuple[str, ...],
) -> int:
    """Render the manifests below DIR in place, from the statuses in the files.

    Edits managed fields only. A document or a DynamicPrefix with an error stays as it
    is, all others go on, and the exit code is 2. In a Git checkout nothing is staged or
    committed.
    """
    inside = [] if output_dir is None else _inside(directory, output_dir)
    files, inventory = Directory(directory, path, (*exclude, *inside)).read()
    if check:
        refuse_nothing(files, directory / path)
    if inventory.stopped:
        refuse_errors(inventory.problems)
    advanced = advance(inventory, observations, now, now_or_clock(now))
    rendering = render(inventory, advanced.statuses)
    coming = foresee(inventory, advanced, rendering) if check else ()
    nothing = [
        replace(problem, severity=Severity.WARNING)
        for problem in find_nothing(files, directory / path)
    ]
    waits = waiting(inventory, advanced)
    problems = [*nothing, *advanced.misfits, *rendering.problems, *coming, *waits]
    statuses = {
        name: status for name, status in advanced.statuses.items() if name not in rendering.held
    }
    if not (check or show_diff):
        _write(directory, output_dir, files, rendering)
        problems += [*_read_again(directory, path, exclude, inside)]
    # A runner takes any line of its log that begins with `::`, blanks or not, for a command.
    if show_diff and form is Format.TEXT:
        click.echo(unified_diff(files, rendering.files), nl=False)
    written = not (check or show_diff)
    _report(form, inventory, rendering, statuses, problems, quiet=show_diff, written=written)
    if has_errors(problems):
        return BAD_INPUT
    return NO if check and rendering.files else DONE


def _inside(directory: Path, output_dir: Path) -> list[str]:
    """A pattern (gitignore(5)) for an output directory inside the input: it is no input."""
    root, out = directory.resolve(), output_dir.resolve()
    if out == root or not out.is_relative_to(root):
        return []
    escaped = _SPECIAL.sub(r"\\\g<0>", out.relative_to(root).as_posix())
    return [f"/{escaped}/"]


def _read_again(
    directory: Path, path: str, exclude: Iterable[str], inside: Iterable[str]
) -> Iterator[Problem]:
    """A warning when the next run takes what was written for manifests of their own."""
    for pattern in inside:
        found = read_managed_files(directory, below=path, exclude=exclude)
        folder = _ESCAPED.sub(r"\1", pattern).removeprefix("/")
        if any(name.startswith(folder) for name in found):
            message = (
                f"the next run finds each document twice, here and in {pattern}: write {pattern} "
                f"into {IGNORE_FILE}, or name a directory outside of {directory}"
            )
            yield Problem("output-dir-inside", message, severity=Severity.WARNING)


def _write(
    directory: Path, output_dir: Path | None, files: Mapping[str, bytes], rendering: Rendering
) -> None:
    if output_dir is None:
        write_files(directory, rendering.files, read=files)
        return
    _refuse_inputs(directory, output_dir, files)
    write_files(output_dir, {**files, **rendering.files})


def _refuse_inputs(directory: Path, output_dir: Path, files: Mapping[str, bytes]) -> None:
    """An output directory inside DIR is left out of the input: it must not hold any.

    Raises:
        InputError: it holds a managed file that this rendering does not write there.
    """
    if not _inside(directory, output_dir) or not output_dir.is_dir():
        return
    others = [path for path in read_managed_files(output_dir) if path not in files]
    if others:
        message = (
            f"--output-dir {output_dir} lies in {directory} and holds {others[0]}, which is not "
            "written by this: name another directory, or remove what is left of an earlier time"
        )
        raise InputError(Problem("output-dir-taken", message))


def _report(  # noqa: PLR0913  all that there is to report
    form: Format,
    inventory: Inventory,
    rendering: Rendering,
    statuses: Mapping[str, Status],
    problems: list[Problem],
    *,
    quiet: bool,
    written: bool,
) -> None:
    if form is Format.JSON:
        document = rendering_document(inventory, rendering, statuses)
        print_json(document | (problems_document(problems) if has_errors(problems) else {}))
        print_problems(problems, Format.TEXT)
        return
    if form is Format.GITHUB and not written:
        problems = problems + [_notice(path, rendering) for path in rendering.files]
    print_problems(problems, form)
    if form is Format.TEXT and not quiet:
        for change in rendering.changes:
            also = f" (and its aliases: {', '.join(change.aliases)})" if change.aliases else ""
            click.echo(log_line(f"{change.path}: {field_name(change)}{also}"))
        click.echo(f"{len(rendering.changes)} changed, {rendering.unchanged} unchanged", err=True)
        if has_errors(problems):
            held = [
                f"{shown(path)} (in part)" if path in rendering.files else shown(path)
                for path in sorted({*rendering.held_paths, *_paths_of_errors(problems)})
            ]
            click.echo(f"held back by errors: {', '.join(held)}", err=True)


def _paths_of_errors(problems: Iterable[Problem]) -> set[str]:
    return {
        problem.place.path
        for problem in problems
        if problem.severity is Severity.ERROR and problem.place is not None
    }


def _notice(path: str, rendering: Rendering) -> Problem:
    fields = [field_name(c) for c in rendering.changes if c.path == path]
    return Problem(
        "would-change", f"not rendered: {', '.join(fields)}", Place(path), Severity.WARNING
    )


def rendering_document(
    inventory: Inventory, rendering: Rendering, statuses: Mapping[str, Status]
) -> dict[str, object]:
    """The answer as JSON."""
    return {
        "changed": [change_document(change) for change in rendering.changes],
        "unchanged": rendering.unchanged,
        "prefixes": {
            name: _prefix_document(document.status, statuses.get(name))
            for name, document in sorted(inventory.dynamic_prefixes.items())
        },
    }


def _prefix_document(before: Status | None, after: Status | None) -> dict[str, object]:
    if after is None:
        return {"current": None, "previous": None, "history": []}
    history = [str(past.prefix) for past in after.history]
    changed = before is not None and before.current != after.current
    previous = str(before.current) if before and changed else next(iter(history), None)
    return {"current": str(after.current), "previous": previous, "history": history}


@click.command("migrate", cls=Command)
@click.argument(
    "directory",
    metavar="[DIR|FILE|-]",
    default=".",
    type=click.Path(exists=True, allow_dash=True, path_type=Path),
)
@config_option
@option(
    "--output-dir",
    type=Output(),
    metavar="OUT",
    help="Write files to this directory, instead of one stream to stdout.",
)
def migrate_command(*, directory: Path, output_dir: Path | None) -> int:
    """Turn copies of an operator's live objects into manifests for a repository.

    DIR holds what `kubectl get -o yaml` printed: DynamicPrefixes, the pools, CIDR groups,
    advertisements and Services that follow them. `-` reads that from stdin. Nothing of it is
    changed, and no cluster is asked.
    """
    from gitops_prefix.plan.migration import (  # noqa: PLC0415  `render` does without
        is_dynamic_prefix,
        migrate,
    )

    objects = [*_objects(directory)]
    if not any(is_dynamic_prefix(each) for each in objects):
        message = (
            f"there is no DynamicPrefix in {directory}: write the operator's there, as in "
            "`kubectl get dynamicprefixes -o yaml > objects/prefixes.yaml`"
        )
        raise InputError(Problem("no-dynamic-prefix", message))
    moved = migrate(objects)
    if output_dir is None:
        click.echo("---\n".join(moved.files.values()), nl=False)
    else:
        _refuse_taken(output_dir, moved)
        write_files(output_dir, {path: text.encode() for path, text in moved.files.items()})
        for path in moved.files:
            click.echo(f"wrote {output_dir / path}")
    for note in dict.fromkeys(moved.notes):
        click.echo(printable(f"note: {note}"), err=True)
    click.echo(f"\n{_FIRST_STEPS}", err=True)
    return DONE


def _refuse_taken(output_dir: Path, moved: "Migrated") -> None:
    taken = [path for path in moved.files if (output_dir / path).exists()]
    if taken:
        message = f"--output-dir {output_dir} has {taken[0]} already: name an empty directory"
        raise InputError(Problem("output-dir-taken", message))


def _objects(directory: Path) -> Iterator["Object"]:
    """Each object of the files, also those in a list.

    Raises:
        InputError: a file cannot be read; with every problem.
    """
    problems: list[Problem] = []
    for path, content in _contents(directory):
        try:
            source = Source.decode(path, content)
        except UnicodeDecodeError:
            problems.append(Problem("not-utf8", f"{path} is not UTF-8: save it as UTF-8"))
            continue
        for span in source.documents():
            try:
                value = plain_value(locate(source.text[span.start : span.end]))
            except (NotYamlError, ValueError) as error:
                offset = error.offset if isinstance(error, NotYamlError) else 0
                place = source.place(span.start + offset)
                problems.append(Problem("not-yaml", f"does not parse as YAML: {error}", place))
            else:
                yield from _items(value)
    if problems:
        raise InputError(*problems)


def _items(value: object) -> Iterator["Object"]:
    if not isinstance(value, dict):
        return
    if isinstance(value.get("items"), list) and str(value.get("kind", "")).endswith("List"):
        for item in value["items"]:
            yield from _items(item)
    elif isinstance(value.get("kind"), str):
        yield value


def _contents(directory: Path) -> Iterator[tuple[str, bytes]]:
    if str(directory) == "-":
        yield "stdin", sys.stdin.buffer.read()
        return
    paths = [str(directory)]
    if directory.is_dir():
        found = walk(str(directory.resolve()))
        paths = sorted(path for path in found if path.endswith(_LIVE_SUFFIXES))
    for path in paths:
        try:
            yield path, Path(path).read_bytes()
        except OSError as error:
            raise InputError(Problem("unreadable", f"{path}: {error.strerror}")) from error
