"""What is wrong with the options of `run`, taken together. PURE: no file is read here.

A rule returns its problems, and `check` returns those of all rules.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from gitops_prefix.apply.election import JITTER
from gitops_prefix.apply.policy import ApplyMode
from gitops_prefix.cli.settings import (
    FORGE_TOKEN_VARIABLE,
    CommitSettings,
    CredentialSettings,
    LeaseSettings,
    ProposalSettings,
    RunSettings,
)
from gitops_prefix.decide.fields import format_duration
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.forge.known import forge_of
from gitops_prefix.publish.managed_files import Scope
from gitops_prefix.publish.notify import check_webhook

_SHORTEST_PUSH, _LONGEST_PUSH = timedelta(seconds=10), timedelta(minutes=10)


class GivenSecrets(NamedTuple):
    """What the environment holds in place of files; empty where it holds nothing."""

    token: str = ""
    forge_token: str = ""
    notify_secret: str = ""

    def __repr__(self) -> str:
        return "GivenSecrets(...)"


def check(settings: RunSettings, secrets: GivenSecrets = GivenSecrets()) -> tuple[Problem, ...]:  # noqa: B008
    """Return everything that is wrong with the options, in the order of `--help`."""
    rules: tuple[Iterator[Problem], ...] = (
        _check_path(settings.repository.path),
        _check_push_timeout(settings.repository.push_timeout),
        _check_listener(settings),
        _check_updates(settings),
        check_credentials(settings.credentials, settings.repository.repo, secrets),
        _check_commits(settings.commits),
        _check_signed_parent(settings),
        settings.messages.wrong_trailers(),
        _check_proposals(settings, secrets),
        _check_notices(settings, secrets),
        _check_direct_apply(settings),
        _check_lease(settings.lease, once=settings.pace.once),
    )
    return tuple(problem for rule in rules for problem in rule)


def _check_path(path: str) -> Iterator[Problem]:
    if Scope(path).outside:
        yield Problem("invalid-path", f'--path "{path}" leads out of the repository')


def _check_push_timeout(timeout: timedelta) -> Iterator[Problem]:
    """A pass pushes twice at most, and the probe of the loop waits for no longer pass."""
    if not _SHORTEST_PUSH <= timeout <= _LONGEST_PUSH:
        message = f'--push-timeout "{format_duration(timeout)}" is not 10s to 10m: write "2m"'
        yield Problem("invalid-push-timeout", message)


def _check_listener(settings: RunSettings) -> Iterator[Problem]:
    if settings.pace.listen_token_file and not settings.pace.listen:
        message = "--listen-token-file is for what --listen serves: give --listen, too"
        yield Problem("invalid-listen", message)


def _check_updates(settings: RunSettings) -> Iterator[Problem]:
    """Updates need a door and a password; TLS needs both of its files."""
    updates = settings.updates
    if updates.webhook_credentials and not (updates.webhook_listen or settings.pace.listen):
        message = "--webhook-credentials: nothing takes updates: give --webhook-listen or --listen"
        yield Problem("invalid-webhook", message)
    if updates.webhook_listen and not updates.webhook_credentials:
        message = "--webhook-listen takes no update without --webhook-credentials: give both"
        yield Problem("invalid-webhook", message)
    if bool(updates.webhook_cert) != bool(updates.webhook_key):
        message = "--webhook-cert and --webhook-key belong together: give both"
        yield Problem("invalid-webhook", message)
    if updates.webhook_cert and not updates.webhook_listen:
        message = "--webhook-cert is for --webhook-listen: give --webhook-listen, too"
        yield Problem("invalid-webhook", message)


def check_credentials(
    credentials: CredentialSettings, repo: str, secrets: GivenSecrets
) -> Iterator[Problem]:
    """Options that belong together, and options that exclude each other."""
    if bool(credentials.ssh_key) != bool(credentials.known_hosts):
        message = "--ssh-key and --known-hosts belong together: give both"
        yield Problem("no-known-hosts", message)
    app_id, key_file = credentials.github_app_id, credentials.github_app_key_file
    if bool(app_id) != bool(key_file) or (credentials.github_app_installation_id and not app_id):
        message = "--github-app-id and --github-app-key-file belong together: give both"
        yield Problem("invalid-app", message)
    if not key_file:
        return
    if credentials.ssh_key or credentials.token_file or secrets.token:
        message = "--github-app-id takes the place of a token or a key: leave one of them out"
        yield Problem("invalid-app", message)
    if not repo.startswith(("https://", "http://")):
        message = "--github-app-id is for https: write --repo https://github.com/OWNER/NAME"
        yield Problem("invalid-app", message)


def _check_commits(commits: CommitSettings) -> Iterator[Problem]:
    for name in ("author_name", "author_email", "committer_name", "committer_email"):
        text = getattr(commits, name)
        # git-fast-import(1): neither "<", ">" nor the end of a line.
        if text is not None and (
            not text.strip() or not text.isprintable() or set(text) & set("<>")
        ):
            message = (
                f"--{name.replace('_', '-')} {text!r} cannot stand in a commit: write "
                '"Ada Lovelace" or "ada@example.com", for example, without <, > and line ends'
            )
            yield Problem("invalid-identity", message)
    if not commits.signing_key and (commits.signing_format or commits.signing_passphrase_file):
        message = "--signing-format and --signing-passphrase-file need a key: give --signing-key"
        yield Problem("no-signing-key", message)


def _check_signed_parent(settings: RunSettings) -> Iterator[Problem]:
    """Who pushes to --branch builds on its own commits, so these have to verify, too."""
    commits = settings.commits
    if not commits.require_signed_parent or commits.signing_key:
        return
    if not pushes_elsewhere(settings.proposals):
        message = (
            "--require-signed-parent builds on no unsigned commit, and ours would be unsigned: "
            "give --signing-key, too"
        )
        yield Problem("no-signing-key", message)


def _check_proposals(settings: RunSettings, secrets: GivenSecrets) -> Iterator[Problem]:
    proposals, credentials = settings.proposals, settings.credentials
    if proposals.push_branch == "":
        # An empty variable that was meant to be filled in would push to --branch.
        message = '--push-branch "" names no branch: write "gitops-prefix/{name}", or leave it out'
        yield Problem("invalid-branch", message)
    if not proposals.pull_request:
        yield from _check_no_forge(proposals, has_app=bool(credentials.github_app_key_file))
        return
    yield from _raised(
        lambda: forge_of(
            settings.repository.repo,
            settings.repository.branch,
            kind=proposals.pull_request,
            api=proposals.forge_url,
        )
    )
    has_token = (
        proposals.forge_token_file
        or secrets.forge_token
        or credentials.token_file
        or credentials.github_app_key_file
        # With a key, git's token is not used.
        or (secrets.token and not credentials.ssh_key)
    )
    if not has_token:
        message = (
            "--pull-request needs a token for the forge's API: give --forge-token-file (or "
            f"{FORGE_TOKEN_VARIABLE}); with https, git's own token does"
        )
        yield Problem("no-token", message)


def _check_no_forge(proposals: ProposalSettings, *, has_app: bool) -> Iterator[Problem]:
    for name in ("forge_token_file", "auto_merge"):
        if getattr(proposals, name):
            flag = f"--{name.replace('_', '-')}"
            message = f"{flag} is for pull requests: give --pull-request, too"
            yield Problem("no-forge", message)
    if proposals.forge_url and not has_app:
        message = "--forge-url is for pull requests and GitHub Apps: give --pull-request, too"
        yield Problem("no-forge", message)


def _check_notices(settings: RunSettings, secrets: GivenSecrets) -> Iterator[Problem]:
    notices = settings.notices
    hooks, files = notices.notify, notices.notify_secret_file
    if hooks and len(files) not in {0, 1, len(hooks)}:
        message = (
            f"{len(files)} --notify-secret-file for {len(hooks)} --notify: give one for all, "
            "or one for each in the same order"
        )
        yield Problem("no-notify-secret", message)
    if files and not hooks:
        message = "--notify-secret-file signs what --notify sends: give --notify, too"
        yield Problem("invalid-notify", message)
    if not notices.notify_header.replace("-", "").isalnum():
        message = (
            f'--notify-header "{notices.notify_header}" is not the name of a header: write '
            '"X-Signature", for example'
        )
        yield Problem("invalid-notify", message)
    signed = bool(files or secrets.notify_secret)
    for hook in hooks:
        kind, _, url = hook.partition("=")
        yield from _raised(partial(check_webhook, kind, url, signed=signed))
    if not pushes_elsewhere(settings.proposals):
        return
    if hooks:
        message = (
            "--notify reports a push to --branch, and with --push-branch or --pull-request others "
            "merge there: use the forge's own webhook"
        )
        yield Problem("invalid-notify", message)
    if notices.request_reconcile:
        message = (
            "--request-reconcile is for a push to --branch, and with --push-branch others merge "
            "there: leave one of them out"
        )
        yield Problem("invalid-notify", message)


def pushes_elsewhere(proposals: ProposalSettings) -> bool:
    """Whether commits go to branches that others merge."""
    return bool(proposals.push_branch or proposals.pull_request)


def _check_direct_apply(settings: RunSettings) -> Iterator[Problem]:
    if settings.direct.apply is ApplyMode.NEVER:
        return
    if settings.pace.once:
        message = (
            "--once does not wait for Git to come back, so it does not --apply: leave that out"
        )
        yield Problem("invalid-apply", message)
    if pushes_elsewhere(settings.proposals):
        message = (
            "--apply writes what --branch is about to hold, and with --push-branch others decide "
            "whether it will: leave one of them out"
        )
        yield Problem("invalid-apply", message)


def _check_lease(settings: LeaseSettings, *, once: bool) -> Iterator[Problem]:
    if not settings.leader_elect:
        return
    if once:
        message = "--once publishes and exits, with --leader-elect or without: leave that out"
        yield Problem("invalid-lease", message)
    lease, renew, retry = (
        each.total_seconds()
        for each in (settings.lease_duration, settings.renew_deadline, settings.retry_period)
    )
    if not (retry > 0 and retry * JITTER < renew < lease):
        message = (
            f"--lease-duration {lease:g}s must be longer than --renew-deadline {renew:g}s, and "
            f"that longer than {JITTER:g} times --retry-period {retry:g}s: else two daemons could "
            "publish at once, or none"
        )
        yield Problem("invalid-lease", message)


def _raised(call: Callable[[], object]) -> tuple[Problem, ...]:
    """The problems that a check of a lower package raises."""
    try:
        call()
    except InputError as error:
        return error.problems
    return ()
