"""The options of a GitHub App, in the place of a token."""

import time
from dataclasses import dataclass
from pathlib import Path

from gitops_prefix.cli.option_group import option_group
from gitops_prefix.cli.options import file_option, option
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.credentials import Credentials, NoCredentials
from gitops_prefix.publish.forge.known import api_of
from gitops_prefix.publish.github_app import App, Clock, GitHubApp, check_app
from gitops_prefix.publish.http import HttpClient


@dataclass(frozen=True, slots=True)
class GitHubAppOptions:
    """As they were given."""

    app_id: str
    installation: str
    key_file: Path | None


def make_github_app_options(
    *,
    github_app_id: str | None,
    github_app_installation_id: str | None,
    github_app_key_file: Path | None,
) -> GitHubAppOptions:
    """What the options come to.

    Raises:
        InputError: a part of what belongs together.
    """
    made = GitHubAppOptions(
        github_app_id or "", github_app_installation_id or "", github_app_key_file
    )
    whole = bool(made.app_id) == bool(made.key_file) and (made.app_id or not made.installation)
    if not whole:
        message = "--github-app-id and --github-app-key-file belong together: give both"
        raise InputError(Problem("invalid-app", message))
    return made


def with_github_app(
    options: GitHubAppOptions,
    credentials: Credentials,
    *,
    repo: str,
    api: str,
    ca_file: Path | None,
) -> Credentials:
    """The App, when one is given; else the other credentials.

    Raises:
        InputError: both are given, or the App cannot be meant.
    """
    if options.key_file is None:
        return credentials
    if not isinstance(credentials, NoCredentials):
        message = "--github-app-id takes the place of a token or a key: leave one of them out"
        raise InputError(Problem("invalid-app", message))
    if not repo.startswith(("https://", "http://")):
        message = "--github-app-id is for https: write --repo https://github.com/OWNER/NAME"
        raise InputError(Problem("invalid-app", message))
    base, project = api_of(repo, kind="github", api=api)
    app = App(options.app_id, options.key_file, project, base, options.installation)
    check_app(app)
    return GitHubApp(app, HttpClient(ca_file=ca_file).send, Clock(time.monotonic, time.time))


github_app_options = option_group(
    "github_app",
    make_github_app_options,
    option("--github-app-id", metavar="ID", help="A GitHub App, in the place of a token."),
    option(
        "--github-app-installation-id",
        metavar="ID",
        help="Its installation. [default: the one for --repo]",
    ),
    file_option("--github-app-key-file", "Its private key."),
)
