"""`status`: each DynamicPrefix of a directory, and what is bound to it."""

from pathlib import Path

import click

from gitops_prefix.cli.manifests import Directory, refuse_errors
from gitops_prefix.cli.options import (
    Command,
    config_option,
    directory_argument,
    exclude_option,
    output_option,
    path_option,
)
from gitops_prefix.cli.output import DONE, Format, print_json
from gitops_prefix.decide.status import Status, format_time
from gitops_prefix.render.binding import field_name
from gitops_prefix.render.inventory import Inventory, describe


@click.command("status", cls=Command)
@directory_argument
@config_option
@output_option(Format.TEXT, Format.JSON)
@path_option
@exclude_option
def command(*, directory: Path, form: Format, path: str, exclude: tuple[str, ...]) -> int:
    """Show each DynamicPrefix below DIR: current, since when, history, what is bound to it."""
    _, inventory = Directory(directory, path, exclude).read()
    refuse_errors(inventory.problems)
    if form is Format.JSON:
        print_json({"prefixes": [one.document() for one in describe(inventory)]})
    else:
        _print_text(inventory)
    return DONE


def _print_text(inventory: Inventory) -> None:
    if not inventory.dynamic_prefixes:
        click.echo("no DynamicPrefix here; `gitops-prefix init` writes one", err=True)
    for one in describe(inventory):
        click.secho(f"{one.name}", bold=True, nl=False)
        click.echo(f"  ({one.path})")
        _print_status(one.status)
        for binding in one.bindings:
            click.echo(f"  bound    {field_name(binding)} ({binding.path})")


def _print_status(status: Status | None) -> None:
    if status is None:
        click.echo("  current  none yet: it waits for a first prefix")
        return
    since = format_time(status.acquired_at) or "an unknown time"
    click.echo(f"  current  {status.current} since {since} ({status.source})")
    for past in status.history:
        until = format_time(past.deprecated_at) or "an unknown time"
        click.echo(f"  history  {past.prefix} until {until} ({past.state})")
