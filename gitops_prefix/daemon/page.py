"""The status page at `/`: what a person wants to see first, without a script."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from gitops_prefix import __version__
from gitops_prefix.decide.address import format_address
from gitops_prefix.decide.selection import Decision, Standing
from gitops_prefix.decide.status import Status, format_time
from gitops_prefix.publish.scrub import redact

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin-block: .5rem 1.5rem }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884;
         vertical-align: top }
code { font: .9em ui-monospace, monospace }
.current { font-weight: 600 }
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What the loop last knew.

    Attributes:
        branch: where it pushes, without any credential.
        tip: the commit it stands on, or empty before the first look.
        publishing: one line on the last publication.
        problems: what stops a rendering, as lines.
        statuses: by name; None while a DynamicPrefix waits.
    """

    branch: str
    tip: str
    publishing: str
    problems: tuple[str, ...]
    statuses: Mapping[str, Status | None]


def render_page(report: Report, decisions: Mapping[str, Decision]) -> bytes:
    """The whole page as HTML."""
    sections = [
        _section(name, status, decisions.get(name))
        for name, status in sorted(report.statuses.items())
    ]
    problems = "".join(f"<li><code>{escape(line)}</code></li>" for line in report.problems)
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width">'
        f"<title>gitops-prefix</title><style>{_STYLE}</style>"
        f"<h1>gitops-prefix {escape(__version__)}</h1>"
        f"<p><code>{escape(report.branch)}</code> at <code>{escape(report.tip[:12]) or '…'}"
        f"</code>. {escape(report.publishing)}</p>"
        + (f"<h2>Problems</h2><ul>{problems}</ul>" if problems else "")
        + ("".join(sections) or "<p>No DynamicPrefix was read yet.</p>")
    )
    return redact(page).encode()


def _section(name: str, status: Status | None, decision: Decision | None) -> str:
    rows = [("standing", str(decision.standing) if decision else "…")]
    # A condition of the hour: one that stands in Git would be a commit of its own.
    degraded = decision is not None and decision.standing is Standing.HELD
    rows.append(("Degraded", str(degraded)))
    if status is not None:
        rows.append(("current", f"{status.current} since {format_time(status.acquired_at) or '?'}"))
        rows += [
            ("history", f"{past.prefix} until {format_time(past.deprecated_at) or '?'}")
            for past in status.history
        ]
        rows += [
            (placed.name, f"{format_address(placed.start)} - {format_address(placed.end)}")
            for placed in status.ranges
        ]
        rows += [(placed.name, str(placed.cidr)) for placed in status.subnets]
    announced = "".join(
        f"<tr><td><code>{one.prefix}</code><td><code>{escape(str(one.router))}</code>"
        f"<td>{escape(one.verdict)}"
        for one in (decision.candidates if decision else ())
    )
    return (
        f"<h2>{escape(name)}</h2><table>"
        + "".join(f"<tr><th>{escape(key)}<td><code>{escape(text)}</code>" for key, text in rows)
        + "</table>"
        + (f"<table><tr><th>announced<th>by<th>verdict{announced}</table>" if announced else "")
    )
