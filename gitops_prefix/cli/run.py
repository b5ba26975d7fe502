"""`run`: the daemon."""

import os
import signal
import threading
from datetime import timedelta
from pathlib import Path

import click

from gitops_prefix.apply.child import ClusterAccess
from gitops_prefix.apply.events import Telling
from gitops_prefix.apply.lease import Candidacy
from gitops_prefix.apply.policy import ApplyMode, ApplyPolicy
from gitops_prefix.cli.apply_options import apply_options
from gitops_prefix.cli.cluster_options import cluster_options
from gitops_prefix.cli.commit_options import CommitStyle, commit_options
from gitops_prefix.cli.credential_options import credential_options, transport_options
from gitops_prefix.cli.delivery_options import (
    Notifying,
    Proposing,
    make_delivery,
    notifying_options,
    proposing_options,
)
from gitops_prefix.cli.exit_codes import DONE, OUTSIDE_FAILED
from gitops_prefix.cli.github_app_options import (
    GitHubAppOptions,
    github_app_options,
    with_github_app,
)
from gitops_prefix.cli.leader_options import leader_options
from gitops_prefix.cli.message_options import message_options
from gitops_prefix.cli.options import (
    DURATION,
    config_option,
    exclude_option,
    option,
    path_option,
)
from gitops_prefix.cli.telling_options import telling_options
from gitops_prefix.daemon.logs import configure
from gitops_prefix.daemon.loop import Pace
from gitops_prefix.daemon.server import Server
from gitops_prefix.daemon.service import Service
from gitops_prefix.daemon.supervisor import Supervisor
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.credentials import Credentials
from gitops_prefix.publish.repository import Repository, Scope
from gitops_prefix.publish.transport import Transport
from gitops_prefix.publish.wording import Wording

_GRACE_SECONDS = 9
"""SIGTERM is honoured within 10 s; a commit that was not pushed is pushed next time."""


@click.command("run")
@config_option
@option("--repo", required=True, metavar="URL", help="The repository: https, ssh, or a path.")
@option("--branch", default="main", show_default=True, help="The branch to keep true.")
@path_option
@exclude_option
@option("--interface", default="", metavar="NAME", help="Watch this link instead of those named.")
@option(
    "--clone-dir",
    type=click.Path(file_okay=False, readable=False, path_type=Path),
    metavar="DIR",
    help="Where the clone lives. [default: below $XDG_STATE_HOME]",
)
@option("--listen", default="", metavar="[HOST]:PORT", help="Serve probes, metrics, a page.")
@option("--once", is_flag=True, help="Publish what the links say now, and leave.")
@option("--wait", type=DURATION, default="10s", show_default=True, help="How long --once listens.")
@option("--settle", type=DURATION, default="0.2s", show_default=True, help="One commit a burst.")
@option(
    "--interval",
    type=DURATION,
    default="5m",
    show_default=True,
    help="How often the branch is looked at when nothing else happens.",
)
@credential_options
@github_app_options
@transport_options
@commit_options
@message_options
@proposing_options
@notifying_options
@cluster_options
@apply_options
@leader_options
@telling_options
@option("--verbose", is_flag=True, help="Log more.")
def command(  # noqa: PLR0913  one parameter an option
    *,
    repo: str,
    branch: str,
    path: str,
    exclude: tuple[str, ...],
    interface: str,
    clone_dir: Path | None,
    listen: str,
    once: bool,
    wait: timedelta,
    settle: timedelta,
    interval: timedelta,
    credentials: Credentials,
    github_app: GitHubAppOptions,
    transport: Transport,
    style: CommitStyle,
    wording: Wording,
    proposing: Proposing,
    notifying: Notifying,
    cluster: ClusterAccess,
    apply_policy: ApplyPolicy,
    candidacy: Candidacy | None,
    telling: Telling,
    verbose: bool,
) -> int:
    """Watch Router Advertisements, and keep a branch true to the current prefix.

    Reads which links to watch from the DynamicPrefixes in the repository. SIGTERM
    finishes the push under way and leaves with exit code 0.
    """
    configure(verbose=verbose)
    if once and candidacy is not None:
        message = "--once publishes and leaves, with --leader-elect or without: leave that out"
        raise InputError(Problem("invalid-lease", message))
    if once and apply_policy.mode is not ApplyMode.NEVER:
        message = (
            "--once does not wait for Git to come back, so it does not --apply: leave that out"
        )
        raise InputError(Problem("invalid-apply", message))
    credentials = with_github_app(
        github_app, credentials, repo=repo, api=proposing.forge_url, ca_file=transport.ca_file
    )
    repository = Repository(
        clone_dir or default_clone_dir(repo, branch),
        repo,
        branch,
        credentials=credentials,
        transport=transport,
        author=style.author,
        committer=style.committer,
        signing=style.signing,
        scope=Scope(path, exclude),
    )
    pace = Pace(settle.total_seconds(), max(1.0, interval.total_seconds()))
    if proposing.push_branch and apply_policy.mode is not ApplyMode.NEVER:
        message = (
            "--apply writes what --branch is about to hold, and with --push-branch others decide "
            "whether it will: leave one of them out"
        )
        raise InputError(Problem("invalid-apply", message))
    if proposing.push_branch and telling.request_reconcile:
        message = (
            "--request-reconcile is for a push to --branch, and with --push-branch others merge "
            "there: leave one of them out"
        )
        raise InputError(Problem("invalid-notify", message))
    delivery = make_delivery(
        proposing,
        notifying,
        repo=repo,
        branch=branch,
        credentials=credentials,
        ca_file=transport.ca_file,
    )
    service = Service(
        repository,
        pace=pace,
        interface=interface,
        cluster=cluster,
        apply=apply_policy,
        candidacy=candidacy,
        supervisor=Supervisor(os.environ.get("NOTIFY_SOCKET", "")),
        wording=wording,
        delivery=delivery,
        telling=telling,
    )
    # Who waits for the code of --once must not take what hung for published.
    _stop_on_signals(service, hung=OUTSIDE_FAILED if once else DONE)
    repository.open()
    server = Server(listen, service.pages) if listen else None
    try:
        if once:
            service.run_once(wait.total_seconds())
        else:
            service.run()
    finally:
        if server is not None:
            server.close()
        repository.close()
    return DONE


def default_clone_dir(repo: str, branch: str) -> Path:
    """A directory of its own for each branch, below $XDG_STATE_HOME."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    name = "".join(c if c.isalnum() or c in "-." else "_" for c in f"{repo}@{branch}")
    return state / "gitops-prefix" / name[-150:].lstrip(".")


def _stop_on_signals(service: Service, *, hung: int) -> None:
    def stop(_number: int, _frame: object) -> None:
        # A remote that hangs must not outlast the kubelet's patience.
        timer = threading.Timer(_GRACE_SECONDS, os._exit, (hung,))
        timer.daemon = True
        timer.start()
        service.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
