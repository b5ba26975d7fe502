"""`run`: the daemon."""

import logging
import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import timedelta
from math import inf
from urllib.parse import urlsplit

import click

from gitops_prefix.cli.assembly import assemble, find_problems
from gitops_prefix.cli.options import Command, config_option, read_settings, settings_option
from gitops_prefix.cli.output import DONE, OUTSIDE_FAILED
from gitops_prefix.cli.settings import RunSettings
from gitops_prefix.cli.worktree import shipped
from gitops_prefix.daemon.listening import CannotListenError, interfaces_of, kernel_interfaces_of
from gitops_prefix.daemon.logs import configure
from gitops_prefix.daemon.report import Setting, Shown
from gitops_prefix.daemon.server import Certificate, Server
from gitops_prefix.daemon.service import Service, Supervisor
from gitops_prefix.decide.fields import format_duration
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.plan.ears import Watched
from gitops_prefix.publish.repository import Repository
from gitops_prefix.publish.running import end_all
from gitops_prefix.publish.scrub import scrub

log = logging.getLogger(__name__)

_CODE, _LINK = re.compile(r"`([a-z0-9-]+)`"), re.compile(r"\[([^]]*)\]\([^)]*\)")
_GRACE_SECONDS = 9
"""SIGTERM is honoured within 10 s; a commit that was not pushed is pushed next time."""


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
        servers.append(Server(updates.webhook_listen, {}, update=update, certificate=certificate))
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
    if path and not watched and not repository.has_directory(path):
        message = f'--path "{path}" is not a directory on {repository.branch}'
        problems.append(Problem("invalid-path", message))
    if problems:
        raise InputError(*problems)


def _missing_links(watched: Mapping[str, Watched]) -> list[Problem]:
    there = [name for _, name in socket.if_nameindex()]
    return [
        Problem("no-such-link", f'there is no link "{link}" (there are: {", ".join(there)})')
        for link in sorted(interfaces_of(watched) | kernel_interfaces_of(watched))
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
