"""`apply` writes managed fields to a cluster; `adopt` writes down host parts from a cluster.

The daemon's direct apply, by hand. Checking is the same call as the server's dry run.
"""

import json
from collections.abc import Iterable
from difflib import SequenceMatcher
from pathlib import Path

import click

from gitops_prefix.apply.child import ClusterAccess
from gitops_prefix.apply.fields import (
    SEVERITIES,
    ApplyConfiguration,
    LiveChange,
    ObjectReport,
    ObjectResult,
    apply_configurations,
)
from gitops_prefix.apply.protocol import OBJECT_SECONDS, ReleaseObjects, Wish
from gitops_prefix.cli.manifests import Directory, advance, refuse_errors, waiting
from gitops_prefix.cli.options import (
    Command,
    config_option,
    directory_argument,
    exclude_option,
    now_or_clock,
    option,
    output_option,
    path_option,
    settings_option,
)
from gitops_prefix.cli.output import (
    DONE,
    NO,
    OUTSIDE_FAILED,
    Format,
    colour_diff,
    log_line,
    print_json,
    print_problems,
    unified_diff,
)
from gitops_prefix.cli.settings import ClusterSettings
from gitops_prefix.cli.worktree import write_files
from gitops_prefix.errors import InputError, Place, Problem, Severity
from gitops_prefix.plan.plan import Advanced
from gitops_prefix.render.adoption import MENDED, LiveService, adopt, read_live_services
from gitops_prefix.render.binding import change_document, field_name
from gitops_prefix.render.node import Value
from gitops_prefix.render.rendering import Rendering, render

_FAILED = {ObjectResult.CONFLICT, ObjectResult.FORBIDDEN, ObjectResult.REFUSED, ObjectResult.FAILED}
"""What makes the exit code 3: it was to be written, and was not."""
_SHOWN = {ObjectResult.APPLIED, ObjectResult.WOULD_CHANGE, ObjectResult.RELEASED}


@click.command("apply", cls=Command)
@directory_argument
@config_option
@settings_option(ClusterSettings, "cluster_settings")
@option("--dry-run", is_flag=True, help="Write nothing. Ask the server what would change.")
@option("--force", is_flag=True, help="Take fields over from Flux and Argo CD, and suspend Flux.")
@option("--release", is_flag=True, help="Release what was taken over. Every value stays.")
@output_option(Format.TEXT, Format.JSON)
@path_option
@exclude_option
def command(  # noqa: PLR0913  one parameter an option
    *,
    directory: Path,
    cluster_settings: ClusterSettings,
    dry_run: bool,
    force: bool,
    release: bool,
    form: Format,
    path: str,
    exclude: tuple[str, ...],
) -> int:
    """Write the managed fields below DIR to the cluster, by server-side apply.

    Only fields that follow a prefix, only of objects that exist. What another manager
    owns is left alone. Exit code 3 when something could not be written.
    """
    cluster = cluster_settings.access()
    if release and (dry_run or force):
        message = "--release writes no value, so it takes neither --dry-run nor --force"
        raise InputError(Problem("invalid-apply", message))
    wanted, problems = _read(Directory(directory, path, exclude))
    wish = Wish(force, dry_run=dry_run)
    reports = _release(cluster, wanted) if release else _apply(cluster, wanted, wish)
    if form is Format.JSON:
        print_json({"dry_run": dry_run, "objects": [_document(report) for report in reports]})
    else:
        _print_text(reports)
    print_problems([*problems, *_problems(reports)], Format.TEXT)
    return OUTSIDE_FAILED if any(report.result in _FAILED for report in reports) else DONE


def _read(directory: Directory) -> tuple[tuple[ApplyConfiguration, ...], list[Problem]]:
    """What the files hold once they are rendered.

    Raises:
        InputError: they have errors.
    """
    files, inventory = directory.read()
    refuse_errors(inventory.problems)
    advanced = advance(inventory, (), None, now_or_clock(None))
    rendering = render(inventory, advanced.statuses)
    problems = [*advanced.misfits, *rendering.problems, *waiting(inventory, advanced)]
    refuse_errors(problems)
    if rendering.files:
        problems += [_not_rendered(path) for path in rendering.files]
        inventory = directory.take_stock(files.updated(rendering.files))
    return apply_configurations(inventory), problems


def _not_rendered(path: str) -> Problem:
    message = "is not rendered; what it would be is applied, and Git does not say that yet"
    return Problem("would-change", message, Place(path), Severity.WARNING)


def _apply(
    cluster: ClusterAccess, wanted: Iterable[ApplyConfiguration], wish: Wish
) -> tuple[ObjectReport, ...]:
    from gitops_prefix.apply.kube import Connection  # noqa: PLC0415  62 MiB
    from gitops_prefix.apply.kube_apply import apply_object  # noqa: PLC0415
    from gitops_prefix.apply.kube_child import for_each  # noqa: PLC0415

    connection = Connection(cluster.kubeconfig, cluster.context)
    return for_each(
        wanted, lambda wanted: apply_object(connection.limited(OBJECT_SECONDS), wanted, wish)
    ).reports


def _release(
    cluster: ClusterAccess, wanted: Iterable[ApplyConfiguration]
) -> tuple[ObjectReport, ...]:
    from gitops_prefix.apply.kube import Connection  # noqa: PLC0415  62 MiB
    from gitops_prefix.apply.kube_apply import release_object  # noqa: PLC0415
    from gitops_prefix.apply.kube_child import for_each  # noqa: PLC0415

    connection = Connection(cluster.kubeconfig, cluster.context)
    release = ReleaseObjects((), as_is=True)

    def act(wanted: ApplyConfiguration) -> ObjectReport:
        limited = connection.limited(OBJECT_SECONDS)
        return release_object(limited, wanted, release, lambda: now_or_clock(None))

    return for_each(wanted, act).reports


def _document(report: ObjectReport) -> dict[str, object]:
    """One object of `--output json`."""
    return {
        "path": report.file,
        "apiVersion": report.api_version,
        "kind": report.kind,
        "namespace": report.namespace,
        "name": report.name,
        "standing": report.result.value,
        "message": report.message,
        "changes": [
            {"field": change.field, "before": change.before, "after": change.after}
            for change in report.changes
        ],
        "owners": [*report.owners],
    }


def _problems(reports: Iterable[ObjectReport]) -> list[Problem]:
    """One for each object; a kind that is not installed is reported once."""
    found: dict[Problem | str, Problem] = {}
    for report in reports:
        if not report.message:
            continue
        problem = Problem(
            "not-applied",
            f"{report.title}: {report.message}",
            Place(report.file),
            SEVERITIES.get(report.result, Severity.WARNING),
        )
        known = report.message if report.result is ObjectResult.NOT_INSTALLED else problem
        found.setdefault(known, problem)
    return [*found.values()]


def _print_text(reports: Iterable[ObjectReport]) -> None:
    unchanged = 0
    for report in reports:
        unchanged += report.result is ObjectResult.UNCHANGED
        if report.result in {
            ObjectResult.APPLIED,
            ObjectResult.WOULD_CHANGE,
            ObjectResult.RELEASED,
        }:
            click.secho(f"{report.title}: {report.result}", bold=True)
            click.echo(colour_diff("".join(map(_diff, report.changes))), nl=False)
    click.echo(f"{unchanged} unchanged", err=True)


def _diff(change: LiveChange) -> str:
    before, after = _lines(change.before), _lines(change.after)
    lines = [f"@@ {change.field} @@"]
    for tag, old, new, start, end in SequenceMatcher(
        a=before, b=after, autojunk=False
    ).get_opcodes():
        if tag == "equal":
            lines += [f" {line}" for line in before[old:new]]
            continue
        lines += [f"-{line}" for line in before[old:new]]
        lines += [f"+{line}" for line in after[start:end]]
    return "".join(f"{line}\n" for line in lines)


def _lines(value: Value) -> list[str]:
    """A line for each item of a list; a line for anything else that is there."""
    items = value if isinstance(value, list) else [] if value is None else [value]
    return [item if isinstance(item, str) else json.dumps(item) for item in items]


@click.command("adopt", cls=Command)
@directory_argument
@config_option
@settings_option(ClusterSettings, "cluster_settings")
@option("--check", is_flag=True, help="Write nothing. Exit code 1 when something would change.")
@option("--diff", "show_diff", is_flag=True, help="Write nothing. Print a unified diff.")
@output_option(Format.TEXT, Format.JSON)
@path_option
@exclude_option
def adopt_command(  # noqa: PLR0913  one parameter an option
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
    changes to mode ha keeps every address. What is not certain is reported, and left alone.
    """
    cluster = cluster_settings.access()
    files, inventory = Directory(directory, path, exclude).read()
    refuse_errors(problem for problem in inventory.problems if problem.code != MENDED)
    statuses = {n: d.status for n, d in inventory.dynamic_prefixes.items() if d.status is not None}
    adoption = adopt(inventory, _live_services(cluster))
    problems = [*adoption.problems, *waiting(inventory, Advanced(statuses, ()))]
    refuse_errors(problems)
    if not (check or show_diff):
        write_files(directory, adoption.files, read=files)
    if show_diff and form is Format.TEXT:
        click.echo(unified_diff(files, adoption.files), nl=False)
    _report_adoption(form, adoption, problems, quiet=show_diff)
    return NO if check and adoption.files else DONE


def _live_services(cluster: ClusterAccess) -> tuple[LiveService, ...]:
    from gitops_prefix.apply.kube import Connection, list_services  # noqa: PLC0415  62 MiB

    connection = Connection(cluster.kubeconfig, cluster.context)
    return read_live_services(list_services(connection))


def _report_adoption(
    form: Format, adoption: Rendering, problems: list[Problem], *, quiet: bool
) -> None:
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
            click.echo(log_line(f"{change.path}: {field_name(change)}: {change.after}"))
        click.echo(f"{len(adoption.changes)} changed, {adoption.unchanged} unchanged", err=True)
