"""`run`'s options: every wrong one is reported in one run, before anything is done."""

import os
from collections.abc import Iterator
from datetime import timedelta

import click
import pytest

from gitops_prefix.cli.assembly import assemble, find_problems, make_credentials, take_secrets
from gitops_prefix.cli.commands import COMMANDS, cli
from gitops_prefix.cli.door import enter
from gitops_prefix.cli.options import read_settings
from gitops_prefix.cli.rules import GivenSecrets, check
from gitops_prefix.cli.settings import RunSettings
from gitops_prefix.errors import InputError
from gitops_prefix.publish.commit_maker import Identity
from gitops_prefix.publish.credentials import NoCredentials, SshKey, Token


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("GITOPS_PREFIX_"):
            monkeypatch.delenv(name)


def settings(**given) -> RunSettings:
    """Options as click hands them over, by name."""
    return read_settings(RunSettings, {"repo": "https://git.example.com/home.git", **given})


def codes(secrets: GivenSecrets | None = None, **given) -> list[str]:
    return [problem.code for problem in check(settings(**given), secrets or GivenSecrets())]


def test_the_defaults_are_right():
    assert check(settings()) == ()


def test_secrets_of_the_environment_are_taken_out_of_it(monkeypatch):
    """So that no child process inherits them."""
    monkeypatch.setenv("GITOPS_PREFIX_TOKEN", "s3cret-of-nobody")
    monkeypatch.setenv("GITOPS_PREFIX_FORGE_TOKEN", "of-the-forge")
    monkeypatch.setenv("GITOPS_PREFIX_NOTIFY_SECRET", "of-the-hook")
    assert take_secrets() == GivenSecrets("s3cret-of-nobody", "of-the-forge", "of-the-hook")
    assert not {name for name in os.environ if name.startswith("GITOPS_PREFIX_")}
    assert take_secrets() == GivenSecrets()


@pytest.mark.parametrize("place", ["a..b:80", f"{'a' * 64}.example:80", ".:80"])
def test_a_place_that_no_resolver_takes_is_refused(tmp_path, place):
    problems = find_problems(settings(listen=place, repo=str(tmp_path)))
    assert [problem.code for problem in problems] == ["invalid-listen"]


def test_a_token_for_what_does_not_listen_is_refused(tmp_path):
    assert codes(listen_token_file=tmp_path / "token") == ["invalid-listen"]
    assert codes(listen_token_file=tmp_path / "token", listen="127.0.0.1:0") == []


@pytest.mark.parametrize("token", ["", "\n", "two\nlines"])
def test_a_token_of_the_listener_is_one_line(token, tmp_path):
    (tmp_path / "token").write_text(token)
    given = settings(listen_token_file=tmp_path / "token", listen="127.0.0.1:0")
    assert [problem.code for problem in find_problems(given)] == ["no-token"]


def test_secrets_are_not_in_a_representation():
    assert "s3cret" not in repr(GivenSecrets("s3cret"))


def test_a_key_counts_before_a_file_and_a_file_before_the_environment(tmp_path):
    (tmp_path / "token").write_text("new-token")
    secrets = GivenSecrets("old-token")
    assert isinstance(make_credentials(settings(), GivenSecrets()), NoCredentials)
    by_variable = make_credentials(settings(username="me"), secrets)
    assert isinstance(by_variable, Token)
    assert (by_variable.read(), by_variable.username) == ("old-token", "me")
    by_file = make_credentials(settings(token_file=tmp_path / "token"), secrets)
    assert isinstance(by_file, Token)
    assert by_file.read() == "new-token"
    keys = {"ssh_key": tmp_path / "key", "known_hosts": tmp_path / "known"}
    assert isinstance(make_credentials(settings(**keys), secrets), SshKey)


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command of the tree, groups included."""
    pending: list[tuple[str, click.Command]] = [("", cli)]
    while pending:
        name, command = pending.pop()
        yield name, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for below in command.list_commands(context):
                found = command.get_command(context, below)
                assert found is not None
                pending.append((f"{name} {below}".strip(), found))


def options_that_take_a_secret(command: click.Command) -> list[str]:
    """Options that name a secret, and do not take a file that holds it."""
    return [
        flag
        for parameter in command.params
        for flag in parameter.opts
        if flag.startswith("-")
        and any(word in flag for word in ("token", "password", "passphrase", "secret"))
        and not isinstance(parameter.type, click.Path)
    ]


def test_no_command_has_an_option_for_a_secret_itself():
    """Everybody on the machine can read a command line."""
    found = dict(commands())
    assert {*COMMANDS, "lab router"} <= found.keys()
    for name, command in found.items():
        assert options_that_take_a_secret(command) == [], name


@pytest.mark.parametrize("flag", ["--token", "--password", "--secret", "--forge-token"])
def test_an_option_for_a_secret_would_be_found(flag):
    command = click.Command(
        "run", params=[click.Option([flag]), click.Option([f"{flag}-file"], type=click.Path())]
    )
    assert options_that_take_a_secret(command) == [flag]


ADA = {"author_name": "Ada", "author_email": "ada@example.com"}
BOT = {"committer_name": "Bot", "committer_email": "bot@example.com"}
PEOPLE = {
    "the committer is the author": (ADA, Identity("Ada", "ada@example.com")),
    "only the name differs": (
        {**ADA, "committer_name": "Bot"},
        Identity("Bot", "ada@example.com"),
    ),
    "both differ": ({**ADA, **BOT}, Identity("Bot", "bot@example.com")),
}


@pytest.mark.parametrize(("given", "committer"), PEOPLE.values(), ids=PEOPLE)
def test_who_commits(given, committer):
    commits = settings(**given).commits
    assert commits.author() == Identity("Ada", "ada@example.com")
    assert commits.committer() == committer


@pytest.mark.parametrize("text", ["", " ", "a <b>", "a\nb", "a\0b", ">"])
@pytest.mark.parametrize(
    "who", ["author_name", "author_email", "committer_name", "committer_email"]
)
def test_a_name_that_no_commit_can_have_is_reported(who, text):
    [problem] = check(settings(**{who: text}))
    assert problem.code == "invalid-identity"
    assert f"--{who.replace('_', '-')} {text!r} cannot stand in a commit" in problem.message


APP = {"github_app_id": "1", "github_app_key_file": "key"}
RULES = {
    "a key without host keys": ({"ssh_key": "k"}, "no-known-hosts"),
    "host keys without a key": ({"known_hosts": "k"}, "no-known-hosts"),
    "half an App": ({"github_app_id": "1"}, "invalid-app"),
    "an installation of no App": ({"github_app_installation_id": "1"}, "invalid-app"),
    "an App and a token": ({**APP, "token_file": "t"}, "invalid-app"),
    "an App over ssh": ({**APP, "repo": "ssh://git@git.example.com/a/b"}, "invalid-app"),
    "a format of no key": ({"signing_format": "ssh"}, "no-signing-key"),
    "a passphrase of no key": ({"signing_passphrase_file": "x"}, "no-signing-key"),
    "signed parents without a key of ours": ({"require_signed_parent": "x"}, "no-signing-key"),
    "a trailer that is none": ({"trailers": ("x",)}, "invalid-trailer"),
    "a branch without a name": ({"push_branch": ""}, "invalid-branch"),
    "a merge without a request": ({"auto_merge": "squash"}, "no-forge"),
    "a token without a request": ({"forge_token_file": "t"}, "no-forge"),
    "an API without a request": ({"forge_url": "https://git.example.com/api"}, "no-forge"),
    "a request at no known forge": (
        {"pull_request": "auto", "token_file": "t"},
        "no-forge",
    ),
    "a request without a token": (
        {"pull_request": "gitea", "repo": "https://git.example.com/me/home.git"},
        "no-token",
    ),
    "a hook of no kind": ({"notify": ("x=https://a.example",)}, "invalid-notify"),
    "a hook without a secret": ({"notify": ("hmac=https://a.example",)}, "no-notify-secret"),
    "two secrets for three hooks": (
        {
            "notify": ("hmac=https://a.example",) * 3,
            "notify_secret_file": ("a", "b"),
        },
        "no-notify-secret",
    ),
    "a secret without a hook": ({"notify_secret_file": ("a",)}, "invalid-notify"),
    "a header that is none": ({"notify_header": "a b"}, "invalid-notify"),
    "a hook for a push that others merge": (
        {"notify": ("argocd=https://a.example",), "push_branch": "ours"},
        "invalid-notify",
    ),
    "a push with no time": ({"push_timeout": timedelta(seconds=1)}, "invalid-push-timeout"),
    "a push without end": ({"push_timeout": timedelta(hours=1)}, "invalid-push-timeout"),
    "a lease for one pass": ({"leader_elect": True, "once": True}, "invalid-lease"),
    "apply for one pass": ({"apply": "always", "once": True}, "invalid-apply"),
    "apply of what others merge": ({"apply": "fallback", "push_branch": "a"}, "invalid-apply"),
}


def test_who_only_proposes_may_require_signed_parents_without_a_key():
    assert codes(require_signed_parent="x", push_branch="ours") == []


@pytest.mark.parametrize(("given", "code"), RULES.values(), ids=RULES)
def test_what_does_not_go_together_is_reported(given, code):
    assert codes(**given) == [code]


def test_a_token_of_the_environment_serves_the_forge_and_excludes_an_app():
    forge = {"pull_request": "gitea", "repo": "https://git.example.com/me/home.git"}
    assert codes(GivenSecrets("t"), **forge) == []
    assert codes(GivenSecrets(forge_token="t"), **forge) == []
    assert codes(GivenSecrets("t"), **APP) == ["invalid-app"]
    assert codes(GivenSecrets(notify_secret="s"), notify=("hmac=https://a.example",)) == []


def test_every_wrong_option_is_reported_in_one_run(tmp_path, monkeypatch, capsys):
    """Rules across options, and files and directories that are not there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").touch()
    words = ["--repo", "./nothing", "--leader-elect", "--lease-duration", "1s", "--trailer", "bad"]
    words += ["--notify", "foo=bar", "--ssh-key", "key", "--kubeconfig", "gone"]
    words += ["--path", "../x", "--branch", "a..b"]
    assert enter(["run", *words]) == 2
    reported = capsys.readouterr().err
    expected = ["no-known-hosts", "invalid-trailer", "invalid-notify", "invalid-lease"]
    expected += ["no-repository", "invalid-kubeconfig", "invalid-path", "invalid-branch"]
    for code in expected:
        assert reported.count(f"[{code}]") == 1, code


def test_values_that_cannot_be_read_are_reported_beside_the_others(capsys):
    words = ["--settle", "1", "--apply", "often", "--trailer", "bad"]
    assert enter(["run", *words]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.rpartition(" ")[2] for line in lines] == ["[usage]"] * 3 + ["[invalid-trailer]"]
    assert "'--settle'" in lines[0]
    assert "not one of never, fallback, always" in lines[1]
    assert "Missing option '--repo'" in lines[2]


NOT_READ = {
    "ssh": ("--ssh-key", "--known-hosts", "k"),
    "the door for updates": ("--webhook-key", "--webhook-cert", "k"),
    "the App": ("--github-app-key-file", "--github-app-id", "1"),
}


@pytest.mark.parametrize(("wrong", "given", "value"), NOT_READ.values(), ids=NOT_READ)
def test_an_option_that_was_given_and_is_wrong_is_not_called_missing(
    tmp_path, capsys, wrong, given, value
):
    words = ["--repo", "https://git.example.com/home.git", wrong, str(tmp_path), given, value]
    assert enter(["run", *words]) == 2
    reported = capsys.readouterr().err
    assert wrong in reported and "is a directory" in reported
    assert "give both" not in reported


def test_wrong_keys_of_the_file_are_reported_beside_the_others(tmp_path, capsys):
    config = tmp_path / "options.yaml"
    config.write_text("branch: [a]\nonce: perhaps\nwait: soon\nlisten: nowhere\nlistn: x\n")
    assert enter(["run", "--config", str(config), "--repo", str(tmp_path), "--apply", "often"]) == 2
    lines = capsys.readouterr().err.splitlines()
    expected = ["wrong-type"] * 2 + ["config-unknown-option"] + ["usage"] * 2 + ["invalid-listen"]
    assert [line.rpartition(" ")[2] for line in lines] == [f"[{code}]" for code in expected]
    assert f"{config}:3:1: error: wait: 'soon' is not a duration" in lines[3] + lines[4]


def test_a_wrong_value_of_the_file_has_its_place(tmp_path, capsys):
    """A flag, which counts before the file, is named as the flag."""
    config = tmp_path / "options.yaml"
    config.write_text("branch: main\n# the pace\ninterval: abc\n")
    words = ["run", "--config", str(config), "--repo", "https://git.example.com/x.git"]
    assert enter(words) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"{config}:3:1: error: interval: 'abc' is not a duration")
    assert enter([*words, "--interval", "soon"]) == 2
    assert "Invalid value for '--interval'" in capsys.readouterr().err


def test_what_ssh_needs_and_where_to_listen_are_reported_with_the_rest(tmp_path):
    keys = {"ssh_key": tmp_path / "key", "known_hosts": tmp_path / "known_hosts"}
    doors = {"listen": "nowhere", "webhook_listen": ":http", "webhook_credentials": tmp_path / "c"}
    problems = find_problems(settings(**keys, **doors, repo="git@git.example.com:me/home.git"))
    assert sorted(problem.code for problem in problems) == [
        "invalid-listen",
        "invalid-listen",
        "unreadable",
        "unreadable",
        "webhook-credentials",
    ]


def test_files_that_cannot_be_read_are_reported_together(tmp_path):
    given = {name: tmp_path / name for name in ("token_file", "signing_key", "message_template")}
    problems = find_problems(settings(**given, repo=str(tmp_path)))
    assert [problem.code for problem in problems] == ["unreadable"] * 3
    with pytest.raises(InputError) as raised:
        assemble(settings(**given, repo=str(tmp_path)))
    assert raised.value.problems == problems
