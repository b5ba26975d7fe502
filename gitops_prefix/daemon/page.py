"""The status page at `/`: what a person wants to see first, without a script."""

from collections.abc import Iterable
from datetime import timedelta
from html import escape

from gitops_prefix import __version__
from gitops_prefix.daemon.outcome import Result
from gitops_prefix.daemon.report import Report
from gitops_prefix.decide.address import format_address
from gitops_prefix.decide.fields import format_duration
from gitops_prefix.decide.selection import Decision, Standing
from gitops_prefix.decide.status import Status, format_time
from gitops_prefix.publish.failure import MEANINGS
from gitops_prefix.publish.scrub import redact
from gitops_prefix.render.binding import field_name
from gitops_prefix.render.inventory import Described

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif;
  --ground: #f6f7f9; --card: #fff; --text: #1b1f24; --quiet: #5b6572; --line: #dde1e6;
  --good: #17693c; --good-ground: #dcf5e5; --bad: #9b1c1c; --bad-ground: #fde4e4;
  --wait: #7a4d00; --wait-ground: #fdf0d2 }
@media (prefers-color-scheme: dark) { :root {
  --ground: #14171b; --card: #1d2127; --text: #e6e9ed; --quiet: #98a2ae; --line: #333a43;
  --good: #7fdca4; --good-ground: #143524; --bad: #ffb1b1; --bad-ground: #451a1d;
  --wait: #f3cd7d; --wait-ground: #3d2e0c } }
* { box-sizing: border-box }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem; background: var(--ground);
  color: var(--text) }
header { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: baseline }
h1 { font-size: 1.4rem; margin: 0 }
h2 { font-size: 1.1rem; margin: 0 0 .5rem }
small, th { color: var(--quiet); font-weight: 400 }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: 1rem 1.25rem; margin-block: 1rem; overflow-x: auto }
table { border-collapse: collapse; width: 100% }
table + table { margin-top: .75rem }
th, td { text-align: left; padding: .3rem 1rem .3rem 0; vertical-align: top;
  border-top: 1px solid var(--line) }
tr:first-child > * { border-top: 0 }
.facts th { width: 9.5rem; white-space: nowrap }
code, pre { font: .9em/1.5 ui-monospace, monospace; overflow-wrap: anywhere }
.words { margin: .5rem 0 .75rem; padding: .6rem .8rem; border-radius: .4rem;
  background: var(--bad-ground); color: var(--bad); white-space: pre-wrap }
.mark { border-radius: 1rem; padding: .1rem .7rem; font-size: .9rem; margin-left: auto }
.good { background: var(--good-ground); color: var(--good) }
.bad { background: var(--bad-ground); color: var(--bad) }
.wait { background: var(--wait-ground); color: var(--wait) }
ul { margin: 0; padding-left: 1.2rem }
"""
"""In light and in dark; nothing is fetched."""
_REFRESH = 30
"""Seconds, after which a browser that shows the page looks again."""

_MARKS = {
    None: ("wait", "not looked yet"),
    Result.PUBLISHED: ("good", "published"),
    Result.UNCHANGED: ("good", "up to date"),
    Result.FOLLOWING: ("good", "another daemon leads"),
    Result.CONTESTED: ("wait", "contested"),
    Result.REHEARSED: ("wait", "dry run"),
}
_STANDING_MARKS = {
    Standing.CURRENT: "good",
    Standing.STATIC: "good",
    Standing.HELD: "bad",
    Standing.GONE: "bad",
    Standing.CONTESTED: "bad",
}

Rows = Iterable[tuple[str, str]]


def render_page(report: Report) -> bytes:
    """The whole page as HTML."""
    prefixes = "".join(
        _prefix(described, report.decisions.get(described.name))
        for described in report.progress.described
    )
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width">'
        f"<meta http-equiv=refresh content={_REFRESH}>"
        f"<title>gitops-prefix</title><style>{_STYLE}</style>"
        f"<header><h1>gitops-prefix</h1><small>{escape(__version__)}</small>{_mark(report)}"
        f"</header>{_publication(report)}{_delivery(report)}{_problems(report)}"
        f"{prefixes or '<section>No DynamicPrefix was read yet.</section>'}"
    )
    return redact(page).encode()


def _mark(report: Report) -> str:
    result = report.outcome.result if report.outcome else None
    style, text = _MARKS.get(result, ("bad", f"{result}"))
    return f'<span class="mark {style}">{escape(text)}</span>'


def _publication(report: Report) -> str:
    outcome = report.outcome
    failed = outcome.failed if outcome else None
    words = escape(failed.words) if failed else ""
    rows = [
        ("repository", report.repository),
        ("branch", report.branch),
        ("commit", report.commit[:12] or "…"),
    ]
    if failed:
        rows.append(("failed at", f"{failed.stage}: {MEANINGS[failed.reason]}"))
    if report.pending_since is not None:
        waited = _seconds(report.pending_seconds or 0)
        rows.append(("waits since", f"{format_time(report.pending_since)} ({waited})"))
    if report.pass_seconds is not None:
        rows.append(("under way", f"{report.pass_stage}, for {_seconds(report.pass_seconds)}"))
    if report.progress.failures:
        rows.append(("retries", f"{report.progress.failures} in a row failed"))
    if report.next_try_in is not None:
        rows.append(("next try", f"in {_seconds(report.next_try_in)}"))
    rows.append(("last success", format_time(report.last_success) or "never"))
    return (
        "<section><h2>Publication</h2>"
        + (f"<p class=words id=words>{words.replace('; ', chr(10))}</p>" if words else "")
        + f"{_facts(rows)}</section>"
    )


def _delivery(report: Report) -> str:
    items = "".join(f"<li>{escape(line)}" for line in report.delivered)
    return f"<section><h2>Delivery</h2><ul>{items}</ul></section>" if items else ""


def _problems(report: Report) -> str:
    problems = report.outcome.problems if report.outcome else ()
    items = "".join(f"<li><code>{escape(str(problem))}</code>" for problem in problems)
    return f"<section><h2>Problems</h2><ul>{items}</ul></section>" if items else ""


def _prefix(described: Described, decision: Decision | None) -> str:
    standing = decision.standing if decision else None
    style = _STANDING_MARKS.get(standing, "wait") if standing else "wait"
    head = (
        f"<header><h2>{escape(described.name)}</h2><small>{escape(described.path)}</small>"
        f'<span class="mark {style}">{escape(str(standing or "…"))}</span></header>'
    )
    # A condition of the hour: one that stands in Git would be a commit of its own.
    rows = [("Degraded", str(standing in {Standing.HELD, Standing.CONTESTED}))]
    rows += _status_rows(described.status) if described.status else ()
    bound = described.bindings
    rows += [("warning", str(oddity)) for oddity in (decision.warnings if decision else ())]
    rows += [("bound", f"{field_name(binding)} ({binding.path})") for binding in bound]
    return f"<section>{head}{_facts(rows)}{_announced(decision)}</section>"


def _status_rows(status: Status) -> list[tuple[str, str]]:
    return [
        ("current", f"{status.current} since {format_time(status.acquired_at) or '?'}"),
        ("source", str(status.source)),
        *(
            ("history", f"{past.prefix} until {format_time(past.deprecated_at) or '?'}")
            for past in status.history
        ),
        *(
            (placed.name, f"{format_address(placed.start)} - {format_address(placed.end)}")
            for placed in status.ranges
        ),
        *((placed.name, str(placed.cidr)) for placed in status.subnets),
    ]


def _announced(decision: Decision | None) -> str:
    rows = "".join(
        f"<tr><td><code>{candidate.prefix}</code><td><code>{escape(str(candidate.router))}</code>"
        f"<td>{escape(candidate.verdict)}"
        for candidate in (decision.candidates if decision else ())
    )
    return f"<table><tr><th>announced<th>by<th>verdict{rows}</table>" if rows else ""


def _seconds(number: float) -> str:
    return format_duration(timedelta(seconds=number))


def _facts(rows: Rows) -> str:
    lines = "".join(f"<tr><th>{escape(key)}<td><code>{escape(text)}</code>" for key, text in rows)
    return f"<table class=facts>{lines}</table>"
