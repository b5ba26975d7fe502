"""`run`: the daemon."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Mapping

import click

from gitops_prefix.cli.assembly import assemble, find_problems
from gitops_prefix.cli.options import Command, config_option, read_settings, settings_option
from gitops_prefix.cli.output import DONE, OUTSIDE_FAILED
from gitops_prefix.cli.settings import RunSettings
from gitops_prefix.daemon.listening import CannotListenError, interfaces_of, kernel_interfaces_of
from gitops_prefix.daemon.logs import configure
from gitops_prefix.daemon.server import Server
from gitops_prefix.daemon.service import Service, Supervisor
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.plan.ears import Watched
from gitops_prefix.publish.repository import Repository

log = logging.getLogger(__name__)

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
    service = Service(
        repository,
        pace=made.pace,
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
    )
    once, listen = settings.pace.once, settings.pace.listen
    # With --once, whoever waits for the exit code must not take a push that hung for done.
    _stop_on_signals(service, hung=OUTSIDE_FAILED if once else DONE)
    # Opening the clone may wait for git of an earlier process; probes are answered meanwhile.
    server = Server(listen, service.pages, made.listen_token) if listen else None
    try:
        if server is not None and server.warning:
            log.warning("%s", server.warning)
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
        if server is not None:
            server.close()
        repository.close()
    return DONE


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


def _stop_on_signals(service: Service, *, hung: int) -> None:
    def stop(_number: int, _frame: object) -> None:
        # A remote that hangs must not outlast the kubelet's patience.
        timer = threading.Timer(_GRACE_SECONDS, os._exit, (hung,))
        timer.daemon = True
        timer.start()
        service.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
