"""`validate`: every annotation, marker and DynamicPrefix of a directory, checked."""

from pathlib import Path

import click

from gitops_prefix.cli.manifests import Directory, find_problems, problems_document, refuse_nothing
from gitops_prefix.cli.options import (
    Command,
    config_option,
    directory_argument,
    exclude_option,
    output_option,
    path_option,
)
from gitops_prefix.cli.output import BAD_INPUT, DONE, Format, print_json, print_problems
from gitops_prefix.errors import Severity


@click.command("validate", cls=Command)
@directory_argument
@config_option
@output_option(Format.TEXT, Format.JSON, Format.GITHUB)
@path_option
@exclude_option
def command(*, directory: Path, form: Format, path: str, exclude: tuple[str, ...]) -> int:
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
        click.echo(
            f"{len(inventory.dynamic_prefixes)} DynamicPrefixes, {len(inventory.bindings)} managed "
            f"fields, {len(errors)} errors",
            err=bool(errors),
        )
    return BAD_INPUT if errors else DONE
