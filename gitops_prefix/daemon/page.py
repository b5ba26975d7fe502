"""The status page at `/`, as a product: what holds, since when, what waits, and why.

It is one document without anything foreign: page.css and page.js are in it. The script counts
the times, and takes over the next state every few seconds; without it, a browser reloads.
"""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from html import escape
from itertools import groupby
from math import isinf
from pathlib import Path
from typing import NamedTuple

from gitops_prefix.daemon.decisions import WatchedLink
from gitops_prefix.daemon.outcome import Result, has_errors
from gitops_prefix.daemon.report import VERSION, Report
from gitops_prefix.decide.advertisement import DHCPV6_PD, FILE, FRITZBOX, KERNEL, WEBHOOK, Router
from gitops_prefix.decide.announcement import Announcement
from gitops_prefix.decide.policy import Verdict
from gitops_prefix.decide.prefix import format_address
from gitops_prefix.decide.routers import RouterState
from gitops_prefix.decide.selection import Decision, Standing
from gitops_prefix.decide.status import Status, format_time
from gitops_prefix.errors import Problem, Severity, shown
from gitops_prefix.publish.branch_log import LoggedChange
from gitops_prefix.publish.failure import MEANINGS
from gitops_prefix.publish.forge.known import commit_page
from gitops_prefix.publish.scrub import redact
from gitops_prefix.render.binding import field_name
from gitops_prefix.render.inventory import Described
from gitops_prefix.watch.watcher import LeaseNotice

_HERE = Path(__file__).parent
_STYLE = (_HERE / "page.css").read_text(encoding="utf-8")
_SCRIPT = (_HERE / "page.js").read_text(encoding="utf-8")
_HASH = b64encode(sha256(_SCRIPT.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_HASH}'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a browser may do with the page (Content-Security-Policy): run its own script, and ask us."""
_MOST_BYTES = 60_000
_ROWS = (40, 16, 6, 2, 0)
"""How many entries a list shows; fewer, until the page is small enough."""
_LONGEST = 240
_RELOAD = 30
"""Seconds, for a browser without scripts."""
_DOCS = "https://github.com/gitops-prefix/gitops-prefix/blob/main/docs"

GOOD, BAD, WAIT = "good", "bad", "wait"


class Mark(NamedTuple):
    """A verdict in a word or two: GOOD, BAD or WAIT, and the words."""

    style: str
    words: str


_STATES = {
    None: Mark(WAIT, "Not looked at the branch yet"),
    Result.PUBLISHED: Mark(GOOD, "Published"),
    Result.UNCHANGED: Mark(GOOD, "Published, nothing to change"),
    Result.FOLLOWING: Mark(WAIT, "This daemon does not lead"),
    Result.CONTESTED: Mark(WAIT, "The branch keeps moving"),
    Result.REHEARSED: Mark(WAIT, "Dry run: nothing is published"),
    Result.UNREACHABLE: Mark(BAD, "The repository cannot be reached"),
    Result.REFUSED: Mark(BAD, "The repository refuses our change"),
    Result.HELD: Mark(BAD, "Held: somebody else's commit is in the way"),
    Result.INVALID: Mark(BAD, "Errors in the repository"),
}
_ON_THE_BRANCH = frozenset({Result.PUBLISHED, Result.UNCHANGED})
_FIRM = frozenset({Standing.CURRENT, Standing.STATIC})
_UNPUBLISHED = Mark(WAIT, "not published")
_STUCK = frozenset({Standing.HELD, Standing.CONTESTED, Standing.GONE})


def render_page(report: Report) -> bytes:
    """The whole page as HTML, below 60,000 bytes."""
    page = b""
    for rows in _ROWS:
        page = redact(_page(report, rows)).encode(errors="replace")
        if len(page) <= _MOST_BYTES:
            break
    return page


def _page(report: Report, rows: int) -> str:
    state = state_of(report)
    prefixes = _capped(
        [_prefix(report, each, rows) for each in report.progress.described], max(rows // 2, 1)
    )
    nothing = "<section class=card aria-label=Prefixes><p>No DynamicPrefix was read yet.</section>"
    return (
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        f"<noscript><meta http-equiv=refresh content={_RELOAD}></noscript>"
        f"<title>{_text(state.words)} · gitops-prefix</title><style>{_STYLE}</style></head><body>"
        "<a class=skip href=#left>Skip to the prefixes</a>"
        f"<header class=top><h1>gitops-prefix</h1><small>{_text(VERSION)}</small>"
        '<nav aria-label=Pages><a href="status">status.json</a><a href="metrics">metrics</a>'
        f'<a href="{_DOCS}/monitoring.md">help</a></nav></header>'
        f"<p id=spoken role=status class=skip>{_text(state.words)}</p>"
        "<p id=away role=alert class=words hidden>The daemon does not answer: what you see is old."
        "</p><main>"
        f'<section id=state class="card state {state.style}" aria-labelledby=state-title>'
        f"{_state(report, state)}</section>"
        f"<div class=columns><div id=left>{_problems(report, rows)}"
        f"<div class=cards>{''.join(prefixes) or nothing}</div></div>"
        f"<div id=right>{_links(report, rows)}{_leases(report, rows)}"
        f"{_routers(report, rows)}{_publication(report)}"
        f"{_delivery(report, rows)}{_settings(report)}</div>"
        f"<div id=log>{_timeline(report)}</div></div></main>"
        f"<footer class=foot id=foot><span>as of {_text(format_time(report.made_at) or '?')}</span>"
        "<span>updates itself</span></footer>"
        f"<script>{_SCRIPT}</script></body></html>"
    )


def state_of(report: Report) -> Mark:
    """The verdict on the whole: good only while everything is on the branch."""
    outcome = report.outcome
    state = _STATES[outcome.result if outcome else None]
    if state.style != GOOD or outcome is None:
        return state
    held = report.held or has_errors(outcome.problems)
    standings = {each.standing for each in report.decisions.values()}
    marks = {mark_of(report, each) for each in report.progress.described}
    doubts = (
        (bool(held), Mark(BAD, "An error holds back a part")),
        (_UNPUBLISHED in marks, Mark(WAIT, "A change is on its way")),
        (bool(report.refusal), Mark(BAD, "A push would be refused")),
        (not report.progress.described, Mark(WAIT, "There is no DynamicPrefix")),
        (bool(standings & _STUCK), Mark(BAD, "Published, but a prefix is stuck")),
        (
            any(mark.style != GOOD for mark in marks),
            Mark(WAIT, "Published, but not every prefix is announced"),
        ),
    )
    return next((mark for applies, mark in doubts if applies), state)


def mark_of(report: Report, described: Described) -> Mark:
    """The verdict on one DynamicPrefix: good only while it is announced, and on the branch."""
    decision = report.decisions.get(described.name)
    standing = decision.standing if decision else None
    result = report.outcome.result if report.outcome else None
    current = described.status.current if described.status else None
    on_branch = result in _ON_THE_BRANCH or (result is Result.INVALID and report.held)
    differs = decision is not None and decision.current not in {None, current}
    if described.name in report.held:
        return Mark(BAD, "held back")
    if standing in _STUCK:
        return Mark(BAD, "stuck")
    if current is None:
        return Mark(WAIT, "no prefix yet")
    waits = report.pending_since is not None and result is not Result.INVALID
    if differs or waits or result is Result.FOLLOWING:
        return _UNPUBLISHED
    if not on_branch:
        return Mark(WAIT, "not confirmed")
    return Mark(GOOD, "published") if standing in _FIRM else Mark(WAIT, "not announced")


def _state(report: Report, state: Mark) -> str:
    outcome = report.outcome
    failed = outcome.failed if outcome else None
    lines = []
    if outcome is not None and outcome.result is Result.FOLLOWING:
        lines.append("There is a change, and only a daemon that leads may publish it.")
    if state.style == GOOD:
        lines.append(f"Branch {_text(report.branch)} holds what the links say.")
    if report.lead:
        lines.append(_text(report.lead[:1].upper() + report.lead[1:] + "."))
    if failed:
        lines.append(f"Failed at {failed.stage}: {_text(MEANINGS[failed.reason])}.")
    if report.pending_since is not None:
        since = format_time(report.pending_since) or "?"
        lines.append(f"A change waits since {since} ({_age(report.pending_seconds or 0)}).")
    if report.pass_seconds is not None:
        stage = _text(str(report.pass_stage))
        lines.append(f"Under way: {stage}, for {_age(report.pass_seconds)}.")
    if report.progress.failures:
        count = report.progress.failures
        lines.append(f"{count} {'try' if count == 1 else 'tries in a row'} failed.")
    if report.next_try_in is not None:
        lines.append(f"Next look in {_countdown(report.next_try_in)}.")
    if report.refusal and not failed:
        lines.append(_text(report.refusal))
    words = _text(failed.words, 4000).replace("; ", "\n") if failed else ""
    return f"<h2 id=state-title>{_text(state.words)}</h2><p>{' '.join(lines)}</p>" + (
        f"<pre class=words id=words tabindex=0>{words}</pre>" if words else ""
    )


def _publication(report: Report) -> str:
    rows = [
        ("repository", f"<code>{_text(report.repository)}</code>"),
        ("branch", f"<code>{_text(report.branch)}</code>"),
        ("commit", _commit(report.repository, report.commit) if report.commit else "not read yet"),
        ("last right", _moment(report.last_success, report) if report.last_success else "never"),
    ]
    if report.lead:
        rows.append(("lead", _text(report.lead)))
    return _card("Publication", _facts(rows))


def _delivery(report: Report, rows: int) -> str:
    items = [f"<li>{_text(line, 1000)}" for line in report.delivered]
    return _card("Delivery", _list(_capped(items, rows))) if items else ""


def _problems(report: Report, rows: int) -> str:
    problems = report.outcome.problems if report.outcome else ()
    order = (Severity.ERROR, Severity.WARNING, Severity.NOTE)
    ranked = sorted(problems, key=lambda problem: order.index(problem.severity))
    items = [_problem(each, report.shown.remedies.get(each.code, "")) for each in ranked]
    return _card("Problems", _list(_capped(items, rows))) if items else ""


def _problem(problem: Problem, remedy: str) -> str:
    style = BAD if problem.severity is Severity.ERROR else WAIT
    place = f"<code>{_text(str(problem.place))}</code>" if problem.place else ""
    return (
        f'<li class=problem><div class=row><span class="mark {style}">{problem.severity}</span>'
        f'<a href="{_DOCS}/problems.md">{_text(problem.code)}</a>{place}</div>'
        f"<p>{_text(problem.message, 600)}</p>"
        + (f"<p class=quiet>{_text(f'Remedy: {remedy}', 600)}</p>" if remedy else "")
    )


def _prefix(report: Report, described: Described, rows: int) -> str:
    decision = report.decisions.get(described.name)
    mark, status = mark_of(report, described), described.status
    title = f"prefix-{report.progress.described.index(described)}"
    current = f"<p class=big><code>{status.current}</code></p>" if status else ""
    since = ""
    if status:
        moment = _moment(status.acquired_at, report) if status.acquired_at else "an unknown time"
        since = f"<p class=quiet>from {_text(str(status.source))}, since {moment}</p>"
    standing = f"<p>{_text(str(decision.standing))}</p>" if decision else ""
    for oddity in decision.warnings if decision else ():
        standing += f"<p class=words>{_text(str(oddity), 600)}</p>"
    bound = [
        f"<li><code>{_text(field_name(each))}</code> <small>{_text(each.path)}</small>"
        for each in described.bindings
    ]
    fields = (
        f"<details id={title}-fields><summary>{len(bound)} managed "
        f"{'field' if len(bound) == 1 else 'fields'}</summary>{_list(_capped(bound, rows))}"
        "</details>"
        if bound
        else "<p class=quiet>No field follows it.</p>"
    )
    return (
        f"<section class=card aria-labelledby={title}><div class=head>"
        f"<h2 id={title}>{_text(described.name)}</h2><small>{_text(described.path)}</small>"
        f'<span class="mark {mark.style}">{mark.words}</span></div>{current}{since}{standing}'
        f"{_parts(status, report, rows) if status else ''}{_announced(decision, rows)}{fields}"
        "</section>"
    )


def _parts(status: Status, report: Report, rows: int) -> str:
    places = [
        (placed.name, f"{format_address(placed.start)} - {format_address(placed.end)}")
        for placed in status.ranges
    ] + [(placed.name, str(placed.cidr)) for placed in status.subnets]
    facts = [(_text(name), f"<code>{place}</code>") for name, place in places[:rows]]
    past = [
        f"<li class=row><code>{each.prefix}</code><span>{_text(str(each.state))}</span>"
        f"<span>until {_moment(each.deprecated_at, report) if each.deprecated_at else '?'}</span>"
        for each in status.history
    ]
    return _facts(facts) + (f"<h3>Before</h3>{_list(_capped(past, rows))}" if past else "")


def _announced(decision: Decision | None, rows: int) -> str:
    candidates = decision.candidates if decision else ()
    items = [
        f"<li class=row><code>{each.prefix}</code><span>{_source(each.router)}</span>"
        f"<span>{_text(str(each.verdict))}</span>"
        for each in sorted(candidates, key=lambda each: each.verdict is not Verdict.CANDIDATE)
    ]
    return f"<h3>Announced</h3>{_list(_capped(items, rows))}" if items else ""


def _links(report: Report, rows: int) -> str:
    items = [_link(link, report.overheard.at) for link in report.overheard.links]
    return _card("Links", _list(_capped(items, rows))) if items else ""


def _link(link: WatchedLink, now: float) -> str:
    style, words = (GOOD, "up") if link.up else (BAD, "down" if link.present else "not there")
    return (
        f'<li class=row><code>{_text(link.name)}</code><span class="mark {style}">{words}</span>'
        f"<span>for {_age(now - link.since)}</span>"
    )


def _leases(report: Report, rows: int) -> str:
    items = [_lease(lease, report.overheard.at, rows) for lease in report.overheard.leases]
    return _card("DHCPv6", _list(_capped(items, rows))) if items else ""


def _lease(lease: LeaseNotice, now: float, rows: int) -> str:
    prefixes = [
        f"<div class=row><code>{prefix}</code>"
        f"<span>valid for {_countdown(until - now)}</span></div>"
        for prefix, until in lease.prefixes
    ]
    renewal = ""
    if prefixes:
        renewal = (
            f"<p class=quiet>renewed in {_countdown(lease.renew_at - now)}, by server "
            f"<code>{_text(lease.server)}</code></p>"
        )
    return (
        f"<li><div class=row><code>{_text(lease.name)}</code><span>{_text(lease.state)} on "
        f"{_text(lease.interface)}</span></div>{''.join(_capped(prefixes, rows, 'div'))}{renewal}"
        f"<p class=quiet>our DUID <code>{_text(lease.duid)}</code></p>"
    )


def _routers(report: Report, rows: int) -> str:
    now = report.overheard.at
    known = sorted(report.overheard.routers.items(), key=lambda item: (-item[1].heard_at, item[0]))
    items = [_router(router, state, now, max(rows // 4, 1)) for router, state in known]
    nobody = "<p class=quiet>Nobody was heard yet.</p>"
    return _card("Routers", _list(_capped(items, rows)) if items else nobody)


def _router(router: Router, state: RouterState, now: float, rows: int) -> str:
    lifetime = ""
    if router.advertises:
        left = state.default_until - now
        default = f"default router for {_countdown(left)}" if left > 0 else "no default router"
        lifetime = f"<p class=quiet>{default}, preference {state.preference.name.lower()}</p>"
    prefixes = [_lifetimes(each, now) for _, each in sorted(state.announcements.items())]
    # What an update said before a restart was heard by the process before.
    heard = f"<span>heard {_age(now - state.heard_at)} ago</span>" if state.heard_at else ""
    return (
        f"<li><div class=row>{_source(router)}{heard}"
        f"</div>{lifetime}{''.join(_capped(prefixes, rows, 'div'))}"
    )


def _source(router: Router) -> str:
    names = {
        KERNEL: "the kernel",
        FILE: "the file",
        DHCPV6_PD: "a DHCPv6 server for",
        WEBHOOK: "an update for",
        FRITZBOX: "the FRITZ!Box",
    }
    if router.address in names:
        return f"<span>{names[router.address]} <code>{_text(router.interface)}</code></span>"
    return f"<span><code>{_text(router.address)}</code> on {_text(router.interface)}</span>"


def _lifetimes(announcement: Announcement, now: float) -> str:
    information = announcement.information
    valid, preferred = announcement.valid_for(now), announcement.preferred_for(now)
    bar = ""
    if information.valid_lifetime and not isinf(valid):
        of, left = information.valid_lifetime, max(0.0, preferred if preferred > 0 else 0.0)
        width = min(100.0, 100 * left / of)
        until = "" if isinf(left) else f" data-until={left:.1f} data-of={of}"
        bar = f"<span class=life aria-hidden=true><i{until} style=width:{width:.1f}%></i></span>"
    words = "left out now, " if not announcement.newest else ""
    return (
        f"<div class=left><code>{information.prefix}</code>{bar}<small>{words}"
        f"preferred {_countdown(preferred)}, valid {_countdown(valid)}</small></div>"
    )


def _timeline(report: Report) -> str:
    if not report.changes:
        words = "No commit of gitops-prefix is in the log of the branch, as far as it was read."
        return _card("Changes", f"<p class=quiet>{words}</p>")
    items = "".join(f"<li>{_change(change, report)}" for change in report.changes)
    return _card("Changes", f"<ol class=log>{items}</ol>")


def _change(change: LoggedChange, report: Report) -> str:
    moves = "".join(
        f"<p>{_text(move.name)}: <code>{_text(move.before or 'no prefix')}</code> → "
        f"<code>{_text(move.after)}</code></p>"
        for move in change.moves[:4]
        if move.before != move.after
    )
    return (
        f"<div class=row>{_moment(change.at, report)}{_commit(report.repository, change.commit)}"
        f"</div>{moves or f'<p>{_text(change.subject)}</p>'}"
    )


def _settings(report: Report) -> str:
    if not report.shown.settings:
        return ""
    groups = "".join(
        f"<h3>{_text(section)}</h3>"
        + _facts([(_text(each.name), f"<code>{_text(each.value)}</code>") for each in settings])
        for section, settings in groupby(report.shown.settings, key=lambda each: each.section)
    )
    return _card(
        "Configuration", f"<details id=settings><summary>Options of run</summary>{groups}</details>"
    )


def _commit(repository: str, commit: str) -> str:
    page, short = commit_page(repository, commit), _text(commit[:12])
    return f'<a href="{escape(page)}" class=mono>{short}</a>' if page else f"<code>{short}</code>"


def _moment(moment: datetime, report: Report) -> str:
    """A moment, and how long ago it was."""
    written = format_time(moment)
    age = (report.made_at - moment).total_seconds() if report.made_at else 0.0
    return f"<span><time datetime={written}>{written}</time> ({_age(max(0.0, age))} ago)</span>"


def _age(seconds: float) -> str:
    return f"<span data-age={max(0.0, seconds):.0f}>{span(seconds)}</span>"


def _countdown(seconds: float) -> str:
    if isinf(seconds):
        return "for ever" if seconds > 0 else "never"
    return f"<span data-left={max(0.0, seconds):.0f}>{span(seconds)}</span>"


def span(seconds: float) -> str:
    """A length of time in its two largest units, as in "3h 12m"; page.js has the same."""
    left, words = max(0, int(seconds)), list[str]()
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or words or unit == "s":
            words.append(f"{count}{unit}")
    words = words[:2]
    return words[0] if words[-1].startswith("0") else " ".join(words)


def _text(text: str, longest: int = _LONGEST) -> str:
    """Text that others wrote, on one line and without markup; its middle is cut out."""
    clean = shown(text)
    if len(clean) > longest:
        clean = f"{clean[: longest // 2]} … {clean[-longest // 2 :]}"
    return escape(clean)


def _capped(items: Sequence[str], most: int, tag: str = "li") -> list[str]:
    if len(items) <= most:
        return [*items]
    return [*items[:most], f"<{tag} class=quiet>and {len(items) - most} more"]


def _list(items: Iterable[str]) -> str:
    return f"<ul class=rows>{''.join(items)}</ul>"


def _facts(rows: Iterable[tuple[str, str]]) -> str:
    lines = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    return f"<dl>{lines}</dl>" if lines else ""


def _card(title: str, content: str) -> str:
    name = title.lower()
    return (
        f"<section class=card aria-labelledby={name}-title><h2 id={name}-title>{title}</h2>"
        f"{content}</section>"
    )
