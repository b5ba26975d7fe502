"""`simulate`: what would happen, before it happens; nothing is written."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from gitops_prefix.cli.manifests import Directory, find_filtered, refuse_errors
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
from gitops_prefix.cli.worktree import read_own_file, shipped, write_files
from gitops_prefix.decide.fields import nearest
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import Status, format_time
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.message import subject
from gitops_prefix.render.binding import Change, change_document, field_name
from gitops_prefix.render.inventory import Inventory
from gitops_prefix.render.settings import SETTINGS_FILE, read_settings
from gitops_prefix.simulate.drawing import draw
from gitops_prefix.simulate.scenario import Event, Observed, Scenario, stand_ins
from gitops_prefix.simulate.scenario_file import parse_seconds, read_scenario
from gitops_prefix.simulate.steps import (
    HeldField,
    Look,
    Step,
    Walk,
    decision_words,
    event_words,
    item_changes,
    items,
)
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
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        message = (
            f"--scenario {name}: neither a file nor one of {', '.join(known)}"
            f"{nearest(name, list(known))}"
        )
        raise InputError(Problem("unknown-scenario", message)) from error
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
        refuse_errors(find_filtered(inventory, [(name, prefix)]))
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


_COLOURS = {"+": "green", "-": "red"}


def text_of(walk: Walk) -> str:
    """The whole timeline, and what every field holds at its end; coloured."""
    return "\n".join([*_timeline(walk), *_end(walk)])


def _timeline(walk: Walk) -> Iterator[str]:
    if walk.scenario.title:
        yield click.style(walk.scenario.title, bold=True)
    last: Step | None = None
    for step in walk.steps:
        yield from _quiet(step.repeated)
        if last is None or last.when.date() != step.when.date():
            yield click.style(f"{step.when:%Y-%m-%d}", bold=True)
        yield from _step(walk, step, last)
        last = step
    yield from _quiet(walk.repeated)


def _quiet(repeated: int) -> Iterator[str]:
    if repeated:
        times = "once" if repeated == 1 else f"{repeated} times"
        yield click.style(f"          (advertised again {times}: nothing changes)", dim=True)


def _step(walk: Walk, step: Step, last: Step | None) -> Iterator[str]:
    happened = [event_words(event) for event in step.events]
    if not happened:
        happened = [_without_event(step, first=last is None)]
    clock = f"{step.when:%H:%M:%S}"
    for words in happened:
        yield f"{clock}  {click.style(words, bold=True)}"
        clock = " " * 8
    for name, look in step.looks.items():
        before = last.looks.get(name) if last else None
        for words in decision_words(walk.specifications[name], look, before):
            yield f"          {name}: {words}"
    for problem in step.problems:
        place = f"{problem.place}: " if problem.place else ""
        words = f"{problem.severity}: {place}{problem.message} [{problem.code}]"
        yield "          " + click.style(words, fg="red")
    for interface in step.solicited:
        yield f"          asks the routers of {interface}: silence counts after two questions"
    yield from _commit(step)


def _without_event(step: Step, *, first: bool) -> str:
    if first:
        return "as the files have it"
    return "a router says it again" if step.again else "time passes"


def _commit(step: Step) -> Iterator[str]:
    if step.commit:
        held = "; it waits for git" if step.waiting else ""
        words = f"commit {step.commit}: {subject(step.occasion)}{held}"
        yield "          " + click.style(words, fg="cyan")
        for change in step.changes:
            yield from _change(change)
    if step.pushed and not (step.commit and step.pushed == 1):
        yield "          " + click.style(f"pushed: {_count(step.pushed)}", fg="cyan")


def _change(change: Change) -> Iterator[str]:
    yield f"            {_field(change)}"
    for line in item_changes(change.before, change.after):
        colour = _COLOURS.get(line[0])
        yield "              " + (click.style(line, fg=colour) if colour else line)


def _field(one: Change | HeldField) -> str:
    return f"{one.path}  {field_name(one)}"


def _end(walk: Walk) -> Iterator[str]:
    yield ""
    yield click.style(f"At the end, after {_count(walk.commits)}", bold=True)
    for name, look in walk.steps[-1].looks.items():
        status = look.after
        current = str(status.current) if status else "no prefix yet"
        past = ", ".join(str(each.prefix) for each in status.history) if status else ""
        yield f"  {name}: {current}" + (f", in its history {past}" if past else "")
        if status is not None and status.dns_prefix is not None:
            yield f"  {name}: DNS targets still show {status.dns_prefix}"
    for held in walk.held:
        yield f"  {_field(held)}"
        for item in items(held.value) or ["(empty)"]:
            yield f"    {item}"


def _count(commits: int) -> str:
    return f"{commits or 'no'} commit{'' if commits == 1 else 's'}"


def document_of(walk: Walk) -> dict[str, object]:
    """The whole simulation as one object."""
    last = walk.steps[-1]
    return {
        "title": walk.scenario.title,
        "start": format_time(walk.scenario.start),
        "seconds": walk.end,
        "commits": walk.commits,
        "steps": [_step_document(step) for step in walk.steps],
        "fields": [asdict(held) for held in walk.held],
        "prefixes": {name: _status_document(look.after) for name, look in last.looks.items()},
    }


def _step_document(step: Step) -> dict[str, object]:
    return {
        "time": format_time(step.when),
        "at": step.at,
        "events": [event_words(event) for event in step.events],
        "prefixes": {name: _look_document(look) for name, look in step.looks.items()},
        "commit": step.commit or None,
        "subject": subject(step.occasion) if step.commit else None,
        "pushed": step.pushed,
        "waiting": step.waiting,
        "changed": [change_document(change) for change in step.changes],
        "problems": [problem.document() for problem in step.problems],
        "repeated": step.repeated,
        "solicited": list(step.solicited),
    }


def _look_document(look: Look) -> dict[str, object]:
    return {
        **_status_document(look.after),
        "reason": str(look.standing) if look.standing else None,
        "announced": [
            {"prefix": str(prefix), "router": str(router), "verdict": str(verdict)}
            for (prefix, router), verdict in sorted(look.verdicts.items())
        ],
        "warnings": [str(oddity) for oddity in look.warnings],
    }


def _status_document(status: Status | None) -> dict[str, object]:
    return {
        "current": str(status.current) if status else None,
        "history": [str(past.prefix) for past in status.history] if status else [],
        "dns_target": str(status.dns_target) if status else None,
    }
