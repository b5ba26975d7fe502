"""The parts of the daemon, made of the options of `run`; the files that options name are read here.

Every wrong option is reported in one run: `rules.check` says what is wrong with the options
themselves, and each file adds its problem.
"""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from gitops_prefix.apply.child import ClusterAccess
from gitops_prefix.apply.events import ClusterNotices
from gitops_prefix.apply.lease import Candidacy
from gitops_prefix.apply.policy import ApplyPolicy
from gitops_prefix.cli.rules import GivenSecrets, check, check_credentials, pushes_elsewhere
from gitops_prefix.cli.settings import (
    FORGE_TOKEN_VARIABLE,
    PUSH_BRANCH,
    SECRET_VARIABLE,
    TOKEN_VARIABLE,
    CommitSettings,
    CredentialSettings,
    LeaseSettings,
    NoticeSettings,
    ProposalSettings,
    RunSettings,
    UpdateSettings,
)
from gitops_prefix.daemon.follow_ups import Delivery
from gitops_prefix.daemon.loop import Pace
from gitops_prefix.daemon.server import Certificate, parse_listen
from gitops_prefix.daemon.webhook import read_credentials
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.credentials import (
    Credentials,
    NoCredentials,
    SshKey,
    Token,
    check_url,
    local_path,
    one_line,
    read_secret,
    token_from,
)
from gitops_prefix.publish.forge.known import api_of, forge_of
from gitops_prefix.publish.forge.sync import Sync
from gitops_prefix.publish.git import why_no_directory
from gitops_prefix.publish.github_app import App, Clock, GitHubApp, check_app
from gitops_prefix.publish.http import HttpClient
from gitops_prefix.publish.loan import Transport
from gitops_prefix.publish.message import Wording
from gitops_prefix.publish.notify import Notifier, Secret, Webhook
from gitops_prefix.publish.push_branches import check_pattern, is_branch_name
from gitops_prefix.publish.repository import Repository, Scope, TimeLimits
from gitops_prefix.publish.scrub import learn
from gitops_prefix.publish.signing import Signers, Signing, signing_by

_FORGE_SECONDS = 10.0
_NOTICE_SECONDS = 5.0
T = TypeVar("T")


class Assembly(NamedTuple):
    """What `run` needs to start."""

    repository: Repository
    pace: Pace
    interface: str
    cluster: ClusterAccess
    apply: ApplyPolicy
    candidacy: Candidacy | None
    wording: Wording
    delivery: Delivery
    telling: ClusterNotices
    listen_token: Callable[[], str] | None


class _Problems:
    """The problems so far; an attempt that fails adds to them."""

    def __init__(self, found: tuple[Problem, ...]) -> None:
        self._found = dict.fromkeys(found)

    def attempt(self, make: Callable[[], T]) -> T | None:
        """Make a part, or None."""
        try:
            return make()
        except InputError as error:
            self._found.update(dict.fromkeys(error.problems))
            return None

    def refuse(self) -> None:
        """Stop when there is a problem.

        Raises:
            InputError: with every problem.
        """
        if self._found:
            raise InputError(*self._found)


def take_secrets() -> GivenSecrets:
    """Return the secrets of the environment, and remove them: no child process inherits them."""
    variables = (TOKEN_VARIABLE, FORGE_TOKEN_VARIABLE, SECRET_VARIABLE)
    return GivenSecrets(*(os.environ.pop(name, "") for name in variables))


def find_problems(settings: RunSettings) -> tuple[Problem, ...]:
    """Return everything that is wrong with the options of `run`."""
    try:
        assemble(settings)
    except InputError as error:
        return error.problems
    return ()


def assemble(settings: RunSettings) -> Assembly:
    """Make the parts of the daemon.

    Raises:
        InputError: with every problem of the options, and of the files that they name.
    """
    secrets = take_secrets()
    where, given = settings.repository, settings.credentials
    problems = _Problems(check(settings, secrets))
    credentials: Credentials | None = None
    if not any(check_credentials(given, where.repo, secrets)):
        credentials = problems.attempt(lambda: make_credentials(settings, secrets))
    if credentials is not None and where.repo:
        problems.attempt(lambda: check_url(where.repo, credentials))
    if isinstance(credentials, SshKey):
        problems.attempt(credentials.read)
        problems.attempt(credentials.check_hosts)
    problems.attempt(partial(_check_branches, where.branch, settings.proposals))
    clone_dir = where.clone_dir or default_clone_dir(where.repo, where.branch)
    problems.attempt(lambda: _check_there(where.repo, clone_dir))
    signing = problems.attempt(lambda: _signing(settings.commits))
    signers = problems.attempt(lambda: _signers(settings.commits))
    wording = problems.attempt(settings.messages.wording)
    notify_secrets = problems.attempt(lambda: _notify_secrets(settings.notices, secrets))
    cluster = problems.attempt(settings.cluster.access)
    listen_token = problems.attempt(lambda: _listen_token(settings.pace.listen_token_file))
    problems.attempt(lambda: _check_update_files(settings.updates))
    problems.attempt(lambda: _check_places(settings))
    problems.refuse()
    assert credentials is not None and wording is not None  # noqa: S101, PT018
    assert notify_secrets is not None and cluster is not None  # noqa: S101, PT018
    delivery = problems.attempt(
        lambda: _delivery(settings, credentials, secrets.forge_token, notify_secrets)
    )
    problems.refuse()
    assert delivery is not None  # noqa: S101
    pace = settings.pace
    made = Assembly(
        Repository(
            clone_dir,
            where.repo,
            where.branch,
            credentials=credentials,
            transport=Transport(given.ca_file),
            author=settings.commits.author(),
            committer=settings.commits.committer(),
            signing=signing,
            signers=signers,
            scope=Scope(where.path, where.exclude),
            limits=TimeLimits(push=where.push_timeout.total_seconds()),
        ),
        Pace(
            pace.settle.total_seconds(),
            max(1.0, pace.interval.total_seconds()),
            where.push_timeout.total_seconds(),
        ),
        pace.interface,
        cluster,
        ApplyPolicy(
            settings.direct.apply,
            settings.direct.apply_after.total_seconds(),
            settings.notices.request_reconcile,
        ),
        _candidacy(settings.lease),
        wording,
        delivery,
        ClusterNotices(
            tuple(dict.fromkeys(settings.notices.request_reconcile)), settings.notices.events
        ),
        listen_token,
    )
    return _without_effects(made) if pace.dry_run else made


def _without_effects(made: Assembly) -> Assembly:
    """Return the parts for a dry run: no notice, no request at a forge, no write to a cluster."""
    return made._replace(
        apply=ApplyPolicy(), candidacy=None, delivery=Delivery(), telling=ClusterNotices()
    )


def default_clone_dir(repo: str, branch: str) -> Path:
    """Return a directory of its own for each branch, below $XDG_STATE_HOME."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    name = "".join(c if c.isalnum() or c in "-." else "_" for c in f"{repo}@{branch}")
    return state / "gitops-prefix" / name[-150:].lstrip(".")


def _check_branches(branch: str, proposals: ProposalSettings) -> None:
    """Ask git whether the branches can have these names."""
    if not is_branch_name(branch):
        message = f'--branch "{branch}" is no name of a branch'
        raise InputError(Problem("invalid-branch", message))
    if pushes_elsewhere(proposals) and proposals.push_branch != "":
        check_pattern(proposals.push_branch or PUSH_BRANCH, branch)


def _check_there(repo: str, clone_dir: Path) -> None:
    """Refuse a path that is not there; with a clone it was there once, and may come back."""
    path = local_path(repo) if repo else None
    # Unlike Path.exists, this never raises.
    if path is None or os.path.exists(clone_dir):  # noqa: PTH110
        return
    if reason := why_no_directory(path):
        raise InputError(Problem("no-repository", f"--repo {repo} {reason}"))


def make_credentials(settings: RunSettings, secrets: GivenSecrets) -> Credentials:
    """Return who we are to the remote.

    Raises:
        InputError: a file cannot be read, or the App's options are wrong.
    """
    given = settings.credentials
    if given.github_app_key_file is not None:
        return _github_app(given, settings.repository.repo, settings.proposals.forge_url)
    if given.ssh_key is not None and given.known_hosts is not None:
        return SshKey(given.ssh_key, given.known_hosts)
    if given.token_file is not None:
        return Token(token_from(given.token_file).read, given.username)
    if secrets.token:
        return Token(lambda: secrets.token, given.username)
    return NoCredentials()


def _github_app(given: CredentialSettings, repo: str, api: str) -> GitHubApp:
    assert given.github_app_key_file is not None  # noqa: S101
    base, project = api_of(repo, kind="github", api=api)
    app = App(
        given.github_app_id,
        given.github_app_key_file,
        project,
        base,
        given.github_app_installation_id,
    )
    check_app(app)
    send = HttpClient(ca_file=given.ca_file).send
    return GitHubApp(app, send, Clock(time.monotonic, time.time))


def _signing(commits: CommitSettings) -> Signing | None:
    if commits.signing_key is None:
        return None
    return signing_by(commits.signing_key, commits.signing_format, commits.signing_passphrase_file)


def _signers(commits: CommitSettings) -> Signers | None:
    if commits.require_signed_parent is None:
        return None
    signers = Signers(commits.require_signed_parent)
    signers.form()
    return signers


def _candidacy(lease: LeaseSettings) -> Candidacy | None:
    """None when each daemon publishes."""
    if not lease.leader_elect:
        return None
    durations = (lease.lease_duration, lease.renew_deadline, lease.retry_period)
    return Candidacy(
        lease.lease_name, lease.lease_namespace, *(each.total_seconds() for each in durations)
    )


def _delivery(
    settings: RunSettings,
    credentials: Credentials,
    forge_token: str,
    notify_secrets: tuple[Secret, ...],
) -> Delivery:
    proposals, ca_file = settings.proposals, settings.credentials.ca_file
    sync = None
    if proposals.pull_request:
        where = settings.repository
        forge = forge_of(
            where.repo, where.branch, kind=proposals.pull_request, api=proposals.forge_url
        )
        client = HttpClient(seconds=_FORGE_SECONDS, ca_file=ca_file)
        token = _forge_token(proposals, forge_token, credentials)
        sync = Sync(forge, client.send, token, proposals.auto_merge).run
    push_branch = proposals.push_branch or (PUSH_BRANCH if proposals.pull_request else "")
    return Delivery(push_branch, sync, _notifiers(settings.notices, notify_secrets, ca_file))


def _forge_token(
    proposals: ProposalSettings, forge_token: str, credentials: Credentials
) -> Callable[[], str]:
    read: Callable[[], str]
    if proposals.forge_token_file is not None:
        read = token_from(proposals.forge_token_file, "--forge-token-file").read
    elif forge_token:
        read = lambda: forge_token  # noqa: E731  a reader like the others
    else:
        # `rules` holds that there is one.
        assert isinstance(credentials, Token | GitHubApp)  # noqa: S101
        read = credentials.read
    return one_line(read, "the forge's token")


def _listen_token(path: Path | None) -> Callable[[], str] | None:
    if path is None:
        return None
    read = one_line(token_from(path, "--listen-token-file").read, f"--listen-token-file {path}")
    read()
    return read


def _check_places(settings: RunSettings) -> None:
    """Read where to listen."""
    problems = _Problems(())
    for option, place in (
        ("--listen", settings.pace.listen),
        ("--webhook-listen", settings.updates.webhook_listen),
    ):
        if place:
            problems.attempt(partial(parse_listen, place, option))
    problems.refuse()


def _check_update_files(updates: UpdateSettings) -> None:
    """Read what updates need, so that a wrong file is known at the start.

    Raises:
        InputError: with the file, and what is wrong with it.
    """
    found = []
    if updates.webhook_credentials is not None:
        try:
            read_credentials(updates.webhook_credentials)
        except ValueError as error:
            found.append(Problem("webhook-credentials", f"--webhook-credentials {error}"))
    if updates.webhook_cert is not None and updates.webhook_key is not None:
        try:
            Certificate(updates.webhook_cert, updates.webhook_key).context()
        except ValueError as error:
            found.append(Problem("webhook-certificate", str(error)))
    if found:
        raise InputError(*found)


def _notifiers(
    notices: NoticeSettings, secrets: tuple[Secret, ...], ca_file: Path | None
) -> tuple[Notifier, ...]:
    each = secrets or (None,)
    hooks = [hook.partition("=") for hook in notices.notify]
    return tuple(
        Webhook(
            kind,
            url,
            HttpClient(seconds=_NOTICE_SECONDS, ca_file=ca_file).send,
            each[number if len(each) > 1 else 0],
            notices.notify_header,
        )
        for number, (kind, _, url) in enumerate(hooks)
    )


def _notify_secrets(notices: NoticeSettings, secrets: GivenSecrets) -> tuple[Secret, ...]:
    problems = _Problems(())
    found = [problems.attempt(partial(_secret_in, path)) for path in notices.notify_secret_file]
    problems.refuse()
    variable = secrets.notify_secret.strip()
    if not found and secrets.notify_secret:
        learn(variable)
        return (variable.encode,)
    return tuple(secret for secret in found if secret is not None)


def _secret_in(path: Path) -> Secret:
    def read() -> bytes:
        secret = read_secret(path, "--notify-secret-file").strip()
        if not secret:
            message = f"--notify-secret-file {path} is empty: write the secret into it"
            raise InputError(Problem("no-notify-secret", message))
        learn(secret.decode(errors="replace"))
        return secret

    read()
    return read
