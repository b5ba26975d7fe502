"""`simulate`: what would happen, before it happens; nothing is written."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from gitops_prefix.cli.manifests import Directory, refuse_errors
from gitops_prefix.cli.options import (
    DURATION,
    TIME,
    Command,
    Parsed,
    config_option,
    directory_argument,
    exclude_option,
    option,
    output_option,
    parse_observed,
    path_option,
)
from gitops_prefix.cli.output import DONE, NO, Format, print_json, print_problems
from gitops_prefix.cli.simulate_output import document_of, text_of
from gitops_prefix.cli.worktree import read_own_file, shipped, write_files
from gitops_prefix.decide.fields import nearest
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.render.inventory import Inventory
from gitops_prefix.render.settings import SETTINGS_FILE, read_settings
from gitops_prefix.simulate.drawing import draw
from gitops_prefix.simulate.scenario import Event, Observed, Scenario, stand_ins
from gitops_prefix.simulate.scenario_file import parse_seconds, read_scenario
from gitops_prefix.simulate.walk import walk

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def _parse_observation(text: str) -> tuple[str, Prefix]:
    name, equals, prefix = text.rpartition("=")
    if equals and not name:
        raise ValueError(f'"{text}" is not NAME=PREFIX: write "home-ipv6=2001:db8:9::/64"')
    return name, parse_observed(prefix)


@click.command("simulate", cls=Command)
@directory_argument
@config_option
@option(
    "--prefix",
    "observations",
    metavar="[NAME=]PREFIX",
    type=Parsed("name=prefix", _parse_observation),
    multiple=True,
    help="A step: take this prefix as observed. May be repeated.",
)
@option(
    "--step",
    type=DURATION,
    default="1h",
    show_default=True,
    metavar="DURATION",
    help="The time between the steps of --prefix.",
)
@option(
    "--scenario",
    shell_complete=lambda _c, _p, begun: [n for n in _scenarios() if n.startswith(begun)],
    default="",
    metavar="NAME|FILE",
    help="A shipped scenario, or a file of your own.",
)
@option("--list", "listing", is_flag=True, help="List the shipped scenarios, then exit.")
@option(
    "--until",
    type=Parsed("duration", parse_seconds),
    metavar="DURATION",
    help="When to end. [default: when nothing is left to wait for]",
)
@option(
    "--now",
    type=TIME,
    metavar="TIME",
    help="When it starts (RFC 3339). [default: the midnight after the last time in the files]",
)
@option(
    "--svg",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also draw the timeline into this file.",
)
@output_option(Format.TEXT, Format.JSON)
@path_option
@exclude_option
def command(  # noqa: PLR0913  one parameter an option
    *,
    directory: Path,
    observations: tuple[tuple[str, Prefix], ...],
    step: timedelta,
    scenario: str,
    listing: bool,
    until: int | None,
    now: datetime | None,
    svg: Path | None,
    form: Format,
    path: str,
    exclude: tuple[str, ...],
) -> int:
    """Walk through prefixes or a scenario, and show what the files below DIR would hold.

    Writes nothing there. Exit code 1 when the daemon could not have published a step.
    """
    if listing:
        return _list()
    if bool(observations) == bool(scenario):
        raise click.UsageError("give --prefix or --scenario; --list shows the scenarios")
    if svg is not None and svg.suffix != ".svg":
        # A manifest that was named by a slip would be gone.
        raise click.BadParameter(f'"{svg}" does not end in .svg', param_hint="--svg")
    files, inventory = Directory(directory, path, exclude).read()
    refuse_errors(inventory.problems)
    if not inventory.dynamic_prefixes:
        message = "there is no DynamicPrefix here; `gitops-prefix init` writes one"
        raise InputError(Problem("no-dynamic-prefix", message))
    start = now or _start(inventory)
    played = (
        _read(scenario, inventory, start)
        if scenario
        else _steps(observations, step, inventory, start)
    )
    if until is not None:
        played = _ending(played, until)
    settings = read_settings(read_own_file(directory / SETTINGS_FILE))
    walked = walk(files, settings, played)
    if svg is not None:
        write_files(svg.parent, {svg.name: draw(walked).encode()})
    if form is Format.JSON:
        print_json(document_of(walked))
    else:
        click.echo(text_of(walked))
    print_problems(inventory.problems, Format.TEXT)
    return NO if walked.refused else DONE


def _scenarios() -> dict[str, Path]:
    found = sorted((shipped("templates") / "scenarios").glob("*.yaml"))
    return {file.stem: file for file in found}


def _list() -> int:
    for name, file in _scenarios().items():
        first = file.read_text(encoding="utf-8").splitlines()[0]
        click.echo(f"{name:<22} {first.removeprefix('title: ')}")
    return DONE


def _read(name: str, inventory: Inventory, now: datetime) -> Scenario:
    """A shipped scenario by its name, or a file."""
    known = _scenarios()
    file = known.get(name, Path(name))
    if name not in known and not file.exists():
        message = (
            f"--scenario {name}: neither a file nor one of {', '.join(known)}"
            f"{nearest(name, list(known))}"
        )
        raise InputError(Problem("unknown-scenario", message))
    try:
        content = file.read_bytes()
    except OSError as error:
        message = f"--scenario {name}: cannot be read: {error.strerror}"
        raise InputError(Problem("unreadable", message)) from error
    documents = inventory.dynamic_prefixes
    specifications = {key: each.specification for key, each in documents.items()}
    statuses = {key: each.status for key, each in documents.items()}
    shown = name if name not in known else file.name
    return read_scenario(shown, content, stand_ins(specifications, statuses), now)


def _steps(
    observations: tuple[tuple[str, Prefix], ...],
    step: timedelta,
    inventory: Inventory,
    now: datetime,
) -> Scenario:
    """One prefix after another; without a name, of the one DynamicPrefix there is."""
    known = list(inventory.dynamic_prefixes)
    events = []
    for number, (given, prefix) in enumerate(observations):
        name = given or (known[0] if len(known) == 1 else "")
        if name not in known:
            message = (
                f'--prefix {given}={prefix}: there is no DynamicPrefix "{name}" here'
                if given
                else f"--prefix {prefix}: which one? Write NAME={prefix}"
            )
            message = f"{message} (there is: {', '.join(known)}){nearest(name, known)}"
            raise InputError(Problem("unknown-dynamic-prefix", message))
        at = number * int(step.total_seconds())
        events.append(Event(at, Observed(name, prefix)))
    return Scenario("", now, tuple(events))


def _ending(scenario: Scenario, until: int) -> Scenario:
    events = tuple(event for event in scenario.events if event.at <= until)
    return Scenario(scenario.title, scenario.start, events, until)


def _start(inventory: Inventory) -> datetime:
    """The midnight after every time that the statuses know: the same on every run."""
    moments = [_EPOCH]
    for document in inventory.dynamic_prefixes.values():
        status = document.status
        if status is not None:
            moments += [status.acquired_at or _EPOCH]
            moments += [past.deprecated_at or _EPOCH for past in status.history]
    last = max(moments)
    midnight = last.replace(hour=0, minute=0, second=0)
    return midnight if midnight == last else midnight + timedelta(days=1)
