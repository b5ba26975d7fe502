"""`status`: each DynamicPrefix of a directory, and what is bound to it."""

from pathlib import Path

import click

from gitops_prefix.cli.exit_codes import DONE
from gitops_prefix.cli.manifests import Directory, refuse_errors
from gitops_prefix.cli.options import (
    config_option,
    directory_argument,
    exclude_option,
    output_option,
    path_option,
)
from gitops_prefix.cli.output import Format, print_json
from gitops_prefix.decide.status import Status, format_time, status_document
from gitops_prefix.render.dynamic_prefix import DynamicPrefixDocument
from gitops_prefix.render.field_name import field_name
from gitops_prefix.render.inventory import Inventory


@click.command("status")
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
        print_json({"prefixes": status_answer(inventory)})
    else:
        _print_text(inventory)
    return DONE


def status_answer(inventory: Inventory) -> list[dict[str, object]]:
    """The answer as JSON (DESIGN 7), by name."""
    return [
        _describe(name, document, inventory)
        for name, document in sorted(inventory.dynamic_prefixes.items())
    ]


def _describe(
    name: str, document: DynamicPrefixDocument, inventory: Inventory
) -> dict[str, object]:
    status = document.status
    written = status_document(status) if status else {}
    return {
        "name": name,
        "path": document.path,
        "current": written.get("currentPrefix"),
        "acquired_at": written.get("acquiredAt"),
        "source": written.get("prefixSource"),
        "history": [
            {
                "prefix": str(past.prefix),
                "acquired_at": format_time(past.acquired_at),
                "deprecated_at": format_time(past.deprecated_at),
                "state": past.state,
            }
            for past in (status.history if status else ())
        ],
        "bindings": [
            {
                "path": binding.path,
                "kind": binding.kind,
                "namespace": binding.namespace,
                "name": binding.name,
                "field": binding.field,
            }
            for binding in inventory.bindings
            if binding.dynamic_prefix == name
        ],
        "conditions": written.get("conditions", []),
    }


def _print_text(inventory: Inventory) -> None:
    if not inventory.dynamic_prefixes:
        click.echo("no DynamicPrefix here; `gitops-prefix init` writes one", err=True)
    for name, document in sorted(inventory.dynamic_prefixes.items()):
        click.secho(f"{name}", bold=True, nl=False)
        click.echo(f"  ({document.path})")
        _print_status(document.status)
        for binding in inventory.bindings:
            if binding.dynamic_prefix == name:
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
