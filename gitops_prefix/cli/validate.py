"""`validate`: every annotation, marker and DynamicPrefix of a directory, checked."""

from pathlib import Path

import click

from gitops_prefix.cli.exit_codes import BAD_INPUT, DONE
from gitops_prefix.cli.manifests import Directory, advance_all, waiting
from gitops_prefix.cli.options import (
    config_option,
    directory_argument,
    exclude_option,
    now_or_clock,
    output_option,
    path_option,
)
from gitops_prefix.cli.output import Format, print_json, print_problems, problem_document
from gitops_prefix.errors import InputError, Problem, Severity
from gitops_prefix.render.inventory import Inventory
from gitops_prefix.render.rendering import render


@click.command("validate")
@directory_argument
@config_option
@output_option(Format.TEXT, Format.JSON, Format.GITHUB)
@path_option
@exclude_option
def command(*, directory: Path, form: Format, path: str, exclude: tuple[str, ...]) -> int:
    """Check everything that gitops-prefix reads below DIR, and write nothing.

    Tells every error with its place, and what else is worth knowing.
    """
    _, inventory = Directory(directory, path, exclude).read()
    problems = _find_problems(inventory)
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if form is Format.JSON:
        print_json(
            {
                "errors": [problem_document(problem) for problem in errors],
                "warnings": [
                    problem_document(problem) for problem in problems if problem not in errors
                ],
            }
        )
    else:
        print_problems(problems, form)
    if form is Format.TEXT:
        click.echo(
            f"{len(inventory.dynamic_prefixes)} DynamicPrefixes, {len(inventory.bindings)} managed "
            f"fields, {len(errors)} errors",
            err=bool(errors),
        )
    return BAD_INPUT if errors else DONE


def _find_problems(inventory: Inventory) -> list[Problem]:
    if any(problem.severity is Severity.ERROR for problem in inventory.problems):
        return list(inventory.problems)
    try:
        statuses = advance_all(inventory, (), None, now_or_clock(None))
    except InputError as error:
        return [*inventory.problems, *error.problems]
    found = render(inventory, statuses).problems
    return list(dict.fromkeys([*inventory.problems, *found, *waiting(inventory, statuses)]))
