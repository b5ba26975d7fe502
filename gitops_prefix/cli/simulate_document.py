"""A simulation as JSON (docs/simulate.md), and what its commits would be called."""

from dataclasses import asdict

from gitops_prefix.decide.status import Status, format_time
from gitops_prefix.publish.message import subject
from gitops_prefix.render.binding import change_document
from gitops_prefix.simulate.steps import Look, Step, Walk, event_words


def document_of(walk: Walk) -> dict[str, object]:
    """The whole simulation as one object."""
    last = walk.steps[-1]
    return {
        "title": walk.scenario.title,
        "start": format_time(walk.scenario.start),
        "seconds": walk.end,
        "commits": walk.commits,
        "steps": [_step(step) for step in walk.steps],
        "fields": [asdict(held) for held in walk.held],
        "prefixes": {name: _status(look.after) for name, look in last.looks.items()},
    }


def _step(step: Step) -> dict[str, object]:
    return {
        "time": format_time(step.when),
        "at": step.at,
        "events": [event_words(event) for event in step.events],
        "prefixes": {name: _look(look) for name, look in step.looks.items()},
        "commit": step.commit or None,
        "subject": subject(step.occasion) if step.commit else None,
        "pushed": step.pushed,
        "waiting": step.waiting,
        "changed": [change_document(change) for change in step.changes],
        "problems": [problem.document() for problem in step.problems],
        "repeated": step.repeated,
    }


def _look(look: Look) -> dict[str, object]:
    return {
        **_status(look.after),
        "reason": str(look.standing) if look.standing else None,
        "announced": [
            {"prefix": str(prefix), "router": str(router), "verdict": str(verdict)}
            for (prefix, router), verdict in sorted(look.verdicts.items())
        ],
    }


def _status(status: Status | None) -> dict[str, object]:
    return {
        "current": str(status.current) if status else None,
        "history": [str(past.prefix) for past in status.history] if status else [],
        "dns_target": str(status.dns_target) if status else None,
    }
