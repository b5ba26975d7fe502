"""A simulation as text for a terminal, and as JSON (docs/simulate.md)."""

from collections.abc import Iterator
from dataclasses import asdict

import click

from gitops_prefix.decide.status import Status, format_time
from gitops_prefix.publish.message import subject
from gitops_prefix.render.binding import Change, change_document, field_name
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
