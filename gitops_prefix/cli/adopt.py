"""`adopt`: the host parts that Services have in a cluster, written down as their suffix.

Checking and showing are the same call without the write.
"""

from pathlib import Path

import click

from gitops_prefix.apply.child import ClusterAccess
from gitops_prefix.cli.manifests import Directory, refuse_errors, waiting
from gitops_prefix.cli.options import (
    Command,
    config_option,
    directory_argument,
    exclude_option,
    option,
    output_option,
    path_option,
    settings_option,
)
from gitops_prefix.cli.output import DONE, NO, Format, print_json, print_problems, unified_diff
from gitops_prefix.cli.settings import ClusterSettings
from gitops_prefix.cli.writing import write_files
from gitops_prefix.errors import Problem
from gitops_prefix.render.adoption import MENDED, LiveService, adopt, read_live_services
from gitops_prefix.render.binding import change_document, field_name
from gitops_prefix.render.rendering import Rendering


@click.command("adopt", cls=Command)
@directory_argument
@config_option
@settings_option(ClusterSettings, "cluster_settings")
@option("--check", is_flag=True, help="Write nothing. Exit code 1 when something would change.")
@option("--diff", "show_diff", is_flag=True, help="Write nothing. Print a unified diff.")
@output_option(Format.TEXT, Format.JSON)
@path_option
@exclude_option
def command(  # noqa: PLR0913  one parameter an option
    *,
    directory: Path,
    cluster_settings: ClusterSettings,
    check: bool,
    show_diff: bool,
    form: Format,
    path: str,
    exclude: tuple[str, ...],
) -> int:
    """Write the host part of each annotated Service below DIR, as the cluster has it.

    Reads Services of type LoadBalancer, and adds dynamic-prefix.io/suffix: who then
    changes to mode ha keeps every address. What cannot be told for sure is said.
    """
    cluster = cluster_settings.access()
    files, inventory = Directory(directory, path, exclude).read()
    refuse_errors(one for one in inventory.problems if one.code != MENDED)
    statuses = {n: d.status for n, d in inventory.dynamic_prefixes.items() if d.status is not None}
    adoption = adopt(inventory, _live_services(cluster))
    problems = [*adoption.problems, *waiting(inventory, statuses)]
    refuse_errors(problems)
    if not (check or show_diff):
        write_files(directory, adoption.files, read=files)
    if show_diff and form is Format.TEXT:
        click.echo(unified_diff(files, adoption.files), nl=False)
    _report(form, adoption, problems, quiet=show_diff)
    return NO if check and adoption.files else DONE


def _live_services(cluster: ClusterAccess) -> tuple[LiveService, ...]:
    from gitops_prefix.apply.kube import Connection, list_services  # noqa: PLC0415  62 MiB

    connection = Connection(cluster.kubeconfig, cluster.context)
    return read_live_services(list_services(connection))


def _report(form: Format, adoption: Rendering, problems: list[Problem], *, quiet: bool) -> None:
    if form is Format.JSON:
        print_json(
            {
                "changed": [change_document(change) for change in adoption.changes],
                "unchanged": adoption.unchanged,
                "warnings": [problem.document() for problem in problems],
            }
        )
        return
    print_problems(problems, form)
    if not quiet:
        for change in adoption.changes:
            click.echo(f"{change.path}: {field_name(change)}: {change.after}")
        click.echo(f"{len(adoption.changes)} changed, {adoption.unchanged} unchanged", err=True)
