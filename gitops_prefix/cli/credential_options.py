"""The options that say who we are to the remote."""

from pathlib import Path

from gitops_prefix.cli.option_group import option_group
from gitops_prefix.cli.options import file_option, option
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.credentials import Credentials, NoCredentials, SshKey, token_from


def make_credentials(
    *, ssh_key: Path | None, known_hosts: Path | None, token_file: Path | None, username: str
) -> Credentials:
    """What the options come to.

    Raises:
        InputError: a half of what belongs together, or a file that cannot be read.
    """
    if ssh_key is not None and known_hosts is not None:
        return SshKey(ssh_key, known_hosts)
    if ssh_key is not None or known_hosts is not None:
        message = "--ssh-key and --known-hosts belong together: give both"
        raise InputError(Problem("no-known-hosts", message))
    if token_file is not None:
        token = token_from(token_file)
        return type(token)(token.read, username)
    return NoCredentials()


credential_options = option_group(
    "credentials",
    make_credentials,
    file_option("--ssh-key", "Private key for ssh; needs --known-hosts."),
    file_option("--known-hosts", "Host keys that are believed."),
    file_option("--token-file", "A file that holds the token for https."),
    option("--username", default="x-access-token", show_default=True, help="Beside the token."),
)
