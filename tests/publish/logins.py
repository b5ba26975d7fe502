"""The credentials of the servers in `tests.git_servers`."""

from dataclasses import replace
from pathlib import Path

from gitops_prefix.publish.credentials import SshKey, Token, token_from
from tests.git_servers import TOKEN, USER, Server


def key(server: Server, name: str = "deploy") -> SshKey:
    return SshKey(server.directory / name, server.directory / "known_hosts")


def token(directory: Path, text: str = TOKEN) -> Token:
    (directory / "token").write_text(f"{text}\n")
    return replace(token_from(directory / "token"), username=USER)
