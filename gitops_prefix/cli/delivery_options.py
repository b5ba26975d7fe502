"""The options that say where commits go, and who is told of them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from gitops_prefix.cli.option_group import option_group
from gitops_prefix.cli.options import OneOf, file_option, option
from gitops_prefix.daemon.delivery import Delivery
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.credentials import Credentials, Token, read_secret, token_from
from gitops_prefix.publish.forge.forge import MergeMethod
from gitops_prefix.publish.forge.known import AUTO, KINDS, forge_of
from gitops_prefix.publish.forge.sync import Sync
from gitops_prefix.publish.github_app import GitHubApp
from gitops_prefix.publish.http import HttpClient
from gitops_prefix.publish.notify import KINDS as NOTIFIED
from gitops_prefix.publish.notify import SIGNATURE, Notifier, Secret, Webhook, check_webhook
from gitops_prefix.publish.scrub import learn

FORGE_TOKEN_VARIABLE = "GITOPS_PREFIX_FORGE_TOKEN"  # noqa: S105  its name
SECRET_VARIABLE = "GITOPS_PREFIX_NOTIFY_SECRET"  # noqa: S105  its name
_DEFAULT_BRANCH = "gitops-prefix/{name}"
_FORGE_SECONDS = 10.0
_NOTICE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Proposing:
    """Whether commits wait on branches of ours, and what a forge is asked for."""

    push_branch: str
    kind: str
    forge_url: str
    token_file: Path | None
    token: str
    auto_merge: MergeMethod | None


@dataclass(frozen=True, slots=True)
class Notifying:
    """Who is told of a push."""

    hooks: tuple[tuple[str, str], ...]
    secrets: tuple[Secret, ...]
    header: str


def make_proposing(
    *,
    push_branch: str | None,
    pull_request: str | None,
    forge_url: str | None,
    forge_token_file: Path | None,
    auto_merge: str | None,
) -> Proposing:
    """What the options, and the token's variable, come to.

    Raises:
        InputError: an option of a forge's without a forge, or a branch without a name.
    """
    # Taken out, so that no process that we start inherits it.
    token = os.environ.pop(FORGE_TOKEN_VARIABLE, "")
    if push_branch == "":
        # Not the same as none: a variable that was meant to be filled in would push to --branch.
        message = '--push-branch "" names no branch: write "gitops-prefix/{name}", or leave it out'
        raise InputError(Problem("invalid-branch", message))
    given = {
        "--forge-token-file": forge_token_file,
        "--auto-merge": auto_merge,
    }
    alone = [name for name, value in given.items() if value]
    if alone and not pull_request:
        message = f"{alone[0]} is for pull requests: give --pull-request, too"
        raise InputError(Problem("no-forge", message))
    return Proposing(
        push_branch or (_DEFAULT_BRANCH if pull_request else ""),
        pull_request or "",
        forge_url or "",
        forge_token_file,
        token,
        MergeMethod(auto_merge) if auto_merge else None,
    )


def make_notifying(
    *, notify: tuple[str, ...], notify_secret_file: tuple[Path, ...], notify_header: str
) -> Notifying:
    """What the options, and the secret's variable, come to.

    Raises:
        InputError: a webhook that cannot be meant, or secrets that do not go with them.
    """
    variable = os.environ.pop(SECRET_VARIABLE, "")
    secrets = tuple(map(_secret_from, notify_secret_file))
    if not secrets and variable:
        secrets = (_secret_of(variable.strip()),)
    if len(secrets) not in {0, 1, len(notify)}:
        message = (
            f"{len(secrets)} --notify-secret-file for {len(notify)} --notify: give one for all, "
            "or one for each in the same order"
        )
        raise InputError(Problem("no-notify-secret", message))
    if not notify_header.replace("-", "").isalnum():
        message = f'--notify-header "{notify_header}" is no name of a header: write "X-Signature"'
        raise InputError(Problem("invalid-notify", message))
    if notify_secret_file and not notify:
        message = "--notify-secret-file signs what --notify sends: give that, too"
        raise InputError(Problem("invalid-notify", message))
    hooks = tuple((kind, url) for kind, _, url in (one.partition("=") for one in notify))
    for kind, url in hooks:
        check_webhook(kind, url, signed=bool(secrets))
    return Notifying(hooks, secrets, notify_header)


def _secret_of(variable: str) -> Secret:
    def read() -> bytes:
        learn(variable)
        return variable.encode()

    read()
    return read


def _secret_from(path: Path) -> Secret:
    def read() -> bytes:
        secret = read_secret(path, "--notify-secret-file").strip()
        if not secret:
            message = f"--notify-secret-file {path} is empty: write the secret into it"
            raise InputError(Problem("no-notify-secret", message))
        learn(secret.decode(errors="replace"))
        return secret

    read()
    return read


def make_delivery(  # noqa: PLR0913  what the options of several groups come to
    proposing: Proposing,
    notifying: Notifying,
    *,
    repo: str,
    branch: str,
    credentials: Credentials,
    ca_file: Path | None,
) -> Delivery:
    """Where commits go, and who is told.

    Raises:
        InputError: no forge, no token, or notices of what nobody applies.
    """
    if notifying.hooks and proposing.push_branch:
        message = (
            "--notify tells of a push to --branch, and with --push-branch or --pull-request others "
            "merge there: let the forge's own webhook tell"
        )
        raise InputError(Problem("invalid-notify", message))
    if proposing.forge_url and not (proposing.kind or isinstance(credentials, GitHubApp)):
        message = "--forge-url is for pull requests and GitHub Apps: give --pull-request, too"
        raise InputError(Problem("no-forge", message))
    sync = None
    if proposing.kind:
        forge = forge_of(repo, branch, kind=proposing.kind, api=proposing.forge_url)
        client = HttpClient(seconds=_FORGE_SECONDS, ca_file=ca_file)
        sync = Sync(forge, client.send, _token(proposing, credentials), proposing.auto_merge).run
    return Delivery(proposing.push_branch, sync, _notifiers(notifying, ca_file))


def _notifiers(notifying: Notifying, ca_file: Path | None) -> tuple[Notifier, ...]:
    every = notifying.secrets or (None,)
    return tuple(
        Webhook(
            kind,
            url,
            HttpClient(seconds=_NOTICE_SECONDS, ca_file=ca_file).send,
            every[number if len(every) > 1 else 0],
            notifying.header,
        )
        for number, (kind, url) in enumerate(notifying.hooks)
    )


def _token(proposing: Proposing, credentials: Credentials) -> Callable[[], str]:
    read: Callable[[], str]
    if proposing.token_file is not None:
        read = token_from(proposing.token_file, "--forge-token-file").read
    elif proposing.token:
        read = lambda: proposing.token  # noqa: E731  a reader like the others
    elif isinstance(credentials, Token | GitHubApp):
        read = credentials.read
    else:
        message = (
            "--pull-request needs a token for the forge's API: give --forge-token-file (or "
            f"{FORGE_TOKEN_VARIABLE}); with https, git's own token does"
        )
        raise InputError(Problem("no-token", message))

    def learnt() -> str:
        token = read().strip()
        if not token or not token.isprintable():
            raise InputError(Problem("no-token", "the forge's token must be one line, not empty"))
        learn(token)
        return token

    return learnt


proposing_options = option_group(
    "proposing",
    make_proposing,
    option(
        "--push-branch",
        metavar="NAME",
        help="Push to this branch, for others to merge; {name} gives each DynamicPrefix its own.",
    ),
    option(
        "--pull-request",
        type=OneOf([AUTO, *KINDS]),
        help=f"Open pull requests there; {AUTO} knows it by the host of --repo.",
    ),
    option("--forge-url", metavar="URL", help="Its API, when that is not where it usually is."),
    file_option(
        "--forge-token-file",
        f"The token for its API. [or the variable {FORGE_TOKEN_VARIABLE}, or git's token]",
    ),
    option(
        "--auto-merge",
        type=OneOf([one.value for one in MergeMethod]),
        help="Ask that pull requests merge by themselves, in this way.",
    ),
)

notifying_options = option_group(
    "notifying",
    make_notifying,
    option(
        "--notify",
        multiple=True,
        metavar="KIND=URL",
        help=f"Ask for a reconcile after a push ({', '.join(NOTIFIED)}). May be repeated.",
    ),
    option(
        "--notify-secret-file",
        multiple=True,
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="What they are signed with: one for all, or one for each. "
        f"[or the variable {SECRET_VARIABLE}]",
    ),
    option(
        "--notify-header",
        default=SIGNATURE,
        show_default=True,
        metavar="NAME",
        help="Carries the signature, for hmac.",
    ),
)
