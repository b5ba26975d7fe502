"""`run`: the daemon; and `template`: the message that its next commit would have."""

import logging
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from datetime import datetime, timedelta
from math import inf
from pathlib import Path
from urllib.parse import urlsplit

import click

from gitops_prefix.cli.assembly import assemble, find_problems
from gitops_prefix.cli.manifests import Directory, advance, refuse_errors
from gitops_prefix.cli.options import (
    Command,
    config_option,
    directory_argument,
    exclude_option,
    now_option,
    now_or_clock,
    output_option,
    path_option,
    prefix_option,
    read_settings,
    settings_option,
)
from gitops_prefix.cli.output import DONE, OUTSIDE_FAILED, Format, print_json
from gitops_prefix.cli.settings import MessageSettings, RunSettings
from gitops_prefix.cli.worktree import shipped
from gitops_prefix.daemon.listening import CannotListenError, links_of
from gitops_prefix.daemon.logs import configure
from gitops_prefix.daemon.report import Setting, Shown
from gitops_prefix.daemon.server import Certificate, Server
from gitops_prefix.daemon.service import Service, Supervisor
from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.fields import format_duration
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.plan.ears import Watched
from gitops_prefix.plan.occasion import occasion
from gitops_prefix.plan.plan import Plan
from gitops_prefix.publish.message import TemplateError
from gitops_prefix.publish.repository import Repository
from gitops_prefix.publish.running import end_all
from gitops_prefix.publish.scrub import scrub
from gitops_prefix.render.inventory import Inventory
from gitops_prefix.render.rendering import find_drift, render

log = logging.getLogger(__name__)

_CODE, _LINK = re.compile(r"`([a-z0-9-]+)`"), re.compile(r"\[([^]]*)\]\([^)]*\)")
_FIRST, _NEXT = Prefix.parse("2001:db8:1234::/64"), Prefix.parse("2001:db8:5678::/64")
_ROUTER = Router("eth0", "fe80::1")
_GRACE_SECONDS = 8
"""SIGTERM is honoured within 10 s, on a busy machine, too; what waits is pushed next time."""


class _RunCommand(Command):
    """`run`, which reports what is wrong with the other options beside one that is unreadable."""

    check = staticmethod(lambda given: find_problems(read_settings(RunSettings, given)))


@click.command("run", cls=_RunCommand)
@config_option
@settings_option(RunSettings)
def command(*, settings: RunSettings) -> int:
    """Watch Router Advertisements, and keep a branch true to the current prefix.

    Reads which links to watch from the DynamicPrefixes in the repository. SIGTERM
    finishes the push under way and exits with code 0.
    """
    configure(verbose=settings.pace.verbose)
    made = assemble(settings)
    repository = made.repository
    once, listen = settings.pace.once, settings.pace.listen
    service = Service(
        repository,
        pace=replace(made.pace, sleep=_watchdog_seconds() / 2),
        interface=made.interface,
        cluster=made.cluster,
        apply=made.apply,
        candidacy=made.candidacy,
        supervisor=Supervisor(os.environ.get("NOTIFY_SOCKET", "")),
        wording=made.wording,
        delivery=made.delivery,
        notices=made.telling,
        dry_run=settings.pace.dry_run,
        source_dir=settings.pace.source_dir,
        shown=Shown(shown_settings(settings), read_remedies()) if listen and not once else None,
    )
    # With --once, whoever waits for the exit code must not take a push that hung for done.
    _stop_on_signals(service, hung=OUTSIDE_FAILED if once else DONE)
    # Opening the clone may wait for git of an earlier process; probes are answered meanwhile.
    servers = _serve(settings, service, made.listen_token)
    try:
        repository.open()
        if once:
            try:
                service.run_once(settings.pace.wait.total_seconds())
            except CannotListenError:
                # No permission helps a link that is not there.
                if problems := _missing_links(service.loop.watched):
                    raise InputError(*problems) from None
                raise
            _refuse_what_is_missing(settings, repository, service.loop.watched)
        else:
            service.run()
    finally:
        for server in servers:
            server.close()
        repository.close()
    return DONE


def _serve(
    settings: RunSettings, service: Service, token: Callable[[], str] | None
) -> tuple[Server, ...]:
    """Listen where the options say; updates are taken beside the pages, or at their own place."""
    listen, updates = settings.pace.listen, settings.updates
    update = None
    if updates.webhook_credentials is not None:
        update = service.updates(updates.webhook_credentials).answer
    beside = None if updates.webhook_listen else update
    servers = []
    if listen:
        server = Server(listen, service.pages, token, update=beside)
        if server.warning:
            log.warning("%s", server.warning)
        servers.append(server)
    if updates.webhook_listen:
        certificate = None
        if updates.webhook_cert is not None and updates.webhook_key is not None:
            certificate = Certificate(updates.webhook_cert, updates.webhook_key)
        servers.append(
            Server(
                updates.webhook_listen,
                {},
                update=update,
                certificate=certificate,
                option="--webhook-listen",
            )
        )
    return tuple(servers)


def _refuse_what_is_missing(
    settings: RunSettings, repository: Repository, watched: Mapping[str, Watched]
) -> None:
    """Refuse a link or a directory that is not there: a timer would be green for ever.

    Raises:
        InputError: with every one.
    """
    problems = _missing_links(watched)
    path = settings.repository.path
    if path and not watched and (reason := repository.why_no_directory(path)):
        problems.append(Problem("invalid-path", f'--path "{path}" {reason}'))
    if problems:
        raise InputError(*problems)


def _missing_links(watched: Mapping[str, Watched]) -> list[Problem]:
    there = [name for _, name in socket.if_nameindex()]
    return [
        Problem("no-such-link", f'there is no link "{link}" (there are: {", ".join(there)})')
        for link in sorted(links_of(watched))
        if link not in there
    ]


def _watchdog_seconds() -> float:
    """Within how many seconds systemd expects a sign of life (sd_watchdog_enabled(3))."""
    text = os.environ.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isdigit() and int(text) else inf


def _leave(code: int) -> None:
    """Exit now, without git that would outlive us."""
    end_all()
    os._exit(code)


def _stop_on_signals(service: Service, *, hung: int) -> None:
    def stop(_number: int, _frame: object) -> None:
        # A remote that hangs must not outlast the kubelet's patience.
        timer = threading.Timer(_GRACE_SECONDS, _leave, (hung,))
        timer.daemon = True
        timer.start()
        service.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    # A terminal that is gone ends us; elsewhere SIGHUP has a daemon look again.
    look = lambda *_: service.loop.look_now()  # noqa: E731  a handler like `stop`
    signal.signal(signal.SIGHUP, stop if sys.stderr.isatty() else look)


def read_remedies() -> dict[str, str]:
    """Return what to do about a problem, by its code, as docs/problems.md has it."""
    page = shipped("docs") / "problems.md"
    rows = page.read_text(encoding="utf-8").splitlines() if page.is_file() else []
    cells = [row.strip("| ").split(" | ", 1) for row in rows if row.startswith("| `")]
    return {
        code: _LINK.sub(r"\1", text.partition(": ")[2] or text).replace("`", "")
        for codes, text in cells
        for code in _CODE.findall(codes)
    }


def shown_settings(settings: RunSettings) -> tuple[Setting, ...]:
    """Return the options as the page shows them: no secret, and no URL that is one."""
    return tuple(
        Setting(section.TITLE.partition(" (")[0], f"--{field.name.replace('_', '-')}", value)
        for section in (getattr(settings, each.name) for each in fields(settings))
        for field in fields(section)
        if (value := _shown_value(field.name, getattr(section, field.name)))
    )


def _shown_value(name: str, value: object) -> str:
    if name == "notify" and isinstance(value, tuple):
        # The path of a webhook is its secret.
        return ", ".join(map(_without_path, value))
    if isinstance(value, tuple):
        return ", ".join(_shown_value(name, each) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        return format_duration(value) if seconds >= 1 else f"{seconds:g}s"
    return scrub(str(value)) if value is not None else ""


def _without_path(hook: str) -> str:
    kind, _, url = hook.partition("=")
    parts = urlsplit(url)
    return f"{kind}={parts.scheme}://{parts.hostname}/…" if parts.hostname else f"{kind}=…"


@click.command("template", cls=Command)
@directory_argument
@config_option
@prefix_option
@settings_option(MessageSettings, "messages")
@output_option(Format.TEXT, Format.JSON)
@now_option
@path_option
@exclude_option
def template_command(  # noqa: PLR0913  one parameter an option
    *,
    directory: Path,
    observations: tuple[tuple[str, Prefix], ...],
    messages: MessageSettings,
    form: Format,
    now: datetime | None,
    path: str,
    exclude: tuple[str, ...],
) -> int:
    """Show the commit message as it would be, for the manifests below DIR.

    Without --prefix, each DynamicPrefix gets a made-up one; without any below DIR, it is
    home-ipv6 of the example that is shipped. The router is made up, too. Writes nothing.
    """
    wording = messages.wording()
    _, inventory = Directory(directory, path, exclude).read()
    is_sample = not inventory.dynamic_prefixes
    if is_sample:
        _, inventory = Directory(shipped("examples") / "plain").read()
    refuse_errors(inventory.problems)
    clock = now_or_clock(now)
    before = {name: each.status for name, each in inventory.dynamic_prefixes.items()}
    if is_sample or not observations:
        # From the prefix that it has, else from one that is made up.
        waiting = [name for name, status in before.items() if status is None]
        sample = _made_up(inventory, waiting, _FIRST)
        first = advance(inventory, sample, now, clock, made_up=True)
        refuse_errors(first.misfits)
        before |= first.statuses
    made_up = not observations
    observations = observations or _made_up(inventory, before, _NEXT)
    statuses, misfits = advance(inventory, observations, now, clock, made_up=made_up)
    rendering = render(inventory, statuses)
    refuse_errors([*misfits, *rendering.problems])
    routers = dict.fromkeys(statuses, _ROUTER)
    planned = Plan(inventory, before, statuses, rendering, routers=routers)
    try:
        text = wording.attempt(occasion(planned, find_drift(inventory)))
    except TemplateError as error:
        raise InputError(error.problem) from error
    if form is Format.JSON:
        print_json({"message": text})
    else:
        click.echo(text, nl=False)
    return DONE


def _made_up(
    inventory: Inventory, names: Iterable[str], prefix: Prefix
) -> tuple[tuple[str, Prefix], ...]:
    """The same prefix for each of the names, but for those that are static."""
    documents = inventory.dynamic_prefixes
    return tuple(
        (name, prefix) for name in names if documents[name].specification.acquisition.static is None
    )
