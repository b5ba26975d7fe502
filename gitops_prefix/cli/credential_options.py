"""The options that say who we are to the remote, and whom we believe there."""

import os
from pathlib import Path

from gitops_prefix.cli.option_group import option_group
from gitops_prefix.cli.options import file_option, option
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.credentials import (
    Credentials,
    NoCredentials,
    SshKey,
    Token,
    token_from,
)
from gitops_prefix.publish.transport import Transport

TOKEN_VARIABLE = "GITOPS_PREFIX_TOKEN"  # noqa: S105  its name
"""Holds the token where no file does. No option does: everybody may read a command line."""


def make_credentials(
    *, ssh_key: Path | None, known_hosts: Path | None, token_file: Path | None, username: str
) -> Credentials:
    """What the options, and the token's variable, come to.

    Raises:
        InputError: a half of what belongs together, or a file that cannot be read.
    """
    # Taken out, so that no process that we start inherits it.
    token = os.environ.pop(TOKEN_VARIABLE, "")
    if ssh_key is not None and known_hosts is not None:
        return SshKey(ssh_key, known_hosts)
    if ssh_key is not None or known_hosts is not None:
        message = "--ssh-key and --known-hosts belong together: give both"
        raise InputError(Problem("no-known-hosts", message))
    if token_file is not None:
        return Token(token_from(token_file).read, username)
    if token:
        return Token(lambda: token, username)
    return NoCredentials()


credential_options = option_group(
    "credentials",
    make_credentials,
    file_option("--ssh-key", "Private key for ssh; needs --known-hosts."),
    file_option("--known-hosts", "Host keys that are believed."),
    file_option(
        "--token-file", f"A file that holds the token for https. [or the variable {TOKEN_VARIABLE}]"
    ),
    option("--username", default="x-access-token", show_default=True, help="Beside the token."),
)

transport_options = option_group(
    "transport",
    lambda *, ca_file: Transport(ca_file),
    file_option("--ca-file", "Authorities that are believed for https, in PEM."),
)
