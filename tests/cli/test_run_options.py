"""`run`'s options about credentials and commits: bad ones are one message, before anything is done."""

import os
from inspect import signature

import pytest

from gitops_prefix.cli.commit_options import make_commit_style
from gitops_prefix.cli.credential_options import make_credentials
from gitops_prefix.cli.door import enter
from gitops_prefix.errors import InputError
from gitops_prefix.publish.credentials import NoCredentials, SshKey, Token
from gitops_prefix.publish.fast_import import Identity

NOTHING = {"ssh_key": None, "known_hosts": None, "token_file": None, "username": "me"}


def test_a_token_of_the_environment_is_taken_out_of_it(monkeypatch):
    """So that nothing that we start inherits it."""
    monkeypatch.setenv("GITOPS_PREFIX_TOKEN", "s3cret-of-nobody")
    credentials = make_credentials(**NOTHING)
    assert isinstance(credentials, Token)
    assert (credentials.read(), credentials.username) == ("s3cret-of-nobody", "me")
    assert "GITOPS_PREFIX_TOKEN" not in os.environ
    assert isinstance(make_credentials(**NOTHING), NoCredentials)


def test_a_file_counts_before_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("GITOPS_PREFIX_TOKEN", "old-token")
    (tmp_path / "token").write_text("new-token")
    credentials = make_credentials(**NOTHING | {"token_file": tmp_path / "token"})
    assert isinstance(credentials, Token)
    assert credentials.read() == "new-token"
    keys = {"ssh_key": tmp_path / "key", "known_hosts": tmp_path / "known"}
    monkeypatch.setenv("GITOPS_PREFIX_TOKEN", "old-token")
    assert isinstance(make_credentials(**NOTHING | keys), SshKey)
    assert "GITOPS_PREFIX_TOKEN" not in os.environ


def test_there_is_no_option_for_the_token_itself(capsys):
    """Everybody on the machine would read it."""
    assert enter(["run", "--repo", "x", "--token", "s3cret-of-nobody"]) == 2
    assert "s3cret" not in capsys.readouterr().err


NAMES = {"author_name": "Ada", "author_email": "ada@example.com"}


def style(**given):
    """As click hands it over: what was not given is None."""
    return make_commit_style(
        **dict.fromkeys(signature(make_commit_style).parameters) | NAMES | given
    )


@pytest.mark.parametrize("option", [{"signing_format": "ssh"}, {"signing_passphrase_file": "x"}])
def test_what_is_said_of_a_key_wants_one(option):
    with pytest.raises(InputError, match="give --signing-key"):
        style(**option)


def test_the_committer_is_the_author_where_nothing_else_is_said():
    assert style().committer == Identity("Ada", "ada@example.com")
    assert style(committer_name="Bot").committer == Identity("Bot", "ada@example.com")
    both = style(committer_name="Bot", committer_email="bot@example.com")
    assert both.author == Identity("Ada", "ada@example.com")
    assert both.committer == Identity("Bot", "bot@example.com")


@pytest.mark.parametrize("text", ["", " ", "a <b>", "a\nb", "a\0b", ">"])
@pytest.mark.parametrize(
    "who", ["author_name", "author_email", "committer_name", "committer_email"]
)
def test_a_name_that_no_commit_can_have_is_told(who, text):
    with pytest.raises(InputError, match=f"--{who.replace('_', '-')} .*cannot stand in a commit"):
        style(**{who: text})
