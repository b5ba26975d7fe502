"""A GitHub App against a server that verifies as GitHub does: signature, times, installation."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitops_prefix.errors import InputError
from gitops_prefix.publish.failure import FailedError, Published
from gitops_prefix.publish.github_app import App, Clock, GitHubApp, check_app
from gitops_prefix.publish.http import HttpClient
from gitops_prefix.publish.repository import Repository
from tests.branch import MANAGED, bare_repository, commit_ours, opened
from tests.forges import PROJECT, says
from tests.git_servers import free_port, web_server
from tests.github_apps import APP, INSTALLATION, AppStandIn, new_app_key
from tests.netns import run
from tests.publish.failing import away, refused
from tests.web_stand_in import Asked, Says, StandIn, stand_in


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("app") / "key.pem"
    new_app_key(path)
    return path


class Ours:
    """Our side, with clocks that a test turns."""

    def __init__(self, url: str, key: Path, installation: str = "", app_id: str = APP) -> None:
        self.elapsed = 0.0
        self.skew = 0.0
        clock = Clock(lambda: self.elapsed, lambda: time.time() + self.skew)
        app = App(app_id, key, PROJECT, url, installation)
        self.app = GitHubApp(app, HttpClient().send, clock)


@contextmanager
def github(key: Path, **options) -> Iterator[tuple[AppStandIn, StandIn, Ours]]:
    server = AppStandIn(key, **options)
    with stand_in(server.answer) as served:
        yield server, served, Ours(served.url, key)


def test_a_token_is_minted_for_the_one_repository_and_kept(key):
    with github(key) as (server, served, ours):
        assert ours.app.read() == server.minted[0]
        assert ours.app.read() == server.minted[0]
    assert len(server.minted) == 1
    assert [asked.method for asked in served.asked] == ["GET", "POST"]


def test_an_installation_that_is_given_is_not_looked_for(key):
    with github(key) as (server, served, _):
        assert Ours(served.url, key, str(INSTALLATION)).app.read() == server.minted[0]
    assert [asked.method for asked in served.asked] == ["POST"]


def test_it_is_renewed_before_it_ends(key):
    """Five minutes before, by the clock that only goes forward."""
    with github(key) as (server, _, ours):
        first = ours.app.read()
        ours.elapsed = 3600 - 310
        assert ours.app.read() == first
        ours.elapsed = 3600 - 290
        assert ours.app.read() == server.minted[1]
        ours.elapsed += 3600 - 310
        assert ours.app.read() == server.minted[1]


def test_one_that_lives_for_minutes_is_used_for_half_of_them(key):
    with github(key, lifetime=120) as (server, _, ours):
        ours.app.read()
        ours.elapsed = 50
        assert ours.app.read() == server.minted[0]
        ours.elapsed = 70
        assert ours.app.read() == server.minted[1]


@pytest.mark.parametrize("skew", [-86400, -601, -45, -20, 20, 45, 601, 86400])
def test_a_clock_that_is_wrong_keeps_nobody_out(key, skew):
    """Ours or theirs: what the server says of the time counts, and a token lives as long."""
    with github(key) as (server, _, ours):
        ours.skew = skew
        assert ours.app.read() == server.minted[0]
        ours.elapsed = 3600 - 310
        assert ours.app.read() == server.minted[0]
        ours.elapsed = 3600 - 290
        assert ours.app.read() == server.minted[1]


def test_a_key_that_was_revoked_is_refused_in_the_servers_words(key):
    with github(key) as (server, served, ours):
        server.revoke()
        with pytest.raises(FailedError, check=refused, match="could not be decoded"):
            ours.app.read()
    assert len(served.asked) == 1, "the clocks agree, so it is not tried again"


def test_a_token_is_used_to_its_end_whatever_becomes_of_the_api(key):
    with github(key) as (server, _, ours):
        token = ours.app.read()
        server.revoke()
        assert ours.app.read() == token
        ours.elapsed = 3600
        with pytest.raises(FailedError, check=refused):
            ours.app.read()


def test_an_app_that_is_not_installed_is_told(key):
    with (
        github(key, installed=False) as (_, _, ours),
        pytest.raises(FailedError, check=refused) as error,
    ):
        ours.app.read()
    assert PROJECT in str(error.value)
    assert "installed" in str(error.value)


def test_an_app_that_was_installed_anew_is_found(key):
    with github(key) as (server, served, ours):
        ours.app.read()
        server.installed = False
        ours.elapsed = 4000
        with pytest.raises(FailedError, check=refused):
            ours.app.read()
        server.installed = True
        assert ours.app.read() == server.minted[1]
    assert [asked.method for asked in served.asked][-2:] == ["GET", "POST"]


def test_another_apps_id_is_refused(key):
    with (
        github(key) as (_, served, _),
        pytest.raises(FailedError, check=refused, match="not found"),
    ):
        Ours(served.url, key, app_id="999").app.read()


@pytest.mark.parametrize("answer", [says(500, {}), says(502, ""), says(429, {}, Retry_After="9")])
def test_a_server_in_trouble_is_waited_for(key, answer):
    with github(key) as (server, _, ours):
        server.trouble.append(answer)
        with pytest.raises(FailedError, check=away):
            ours.app.read()
        assert ours.app.read() == server.minted[0]


def test_nobody_there_is_waited_for(key):
    with pytest.raises(FailedError, check=away):
        Ours(f"http://127.0.0.1:{free_port()}", key).app.read()


OTHER_SHAPES = [
    "{}",
    "null",
    '{"token": "x"}',
    '{"id": 1, "token": 3}',
    '{"id": 1, "token": "x", "expires_at": "0001-01-01T00:00:00"}',
    "[" * 100_000,
]


@pytest.mark.parametrize("content", OTHER_SHAPES)
def test_an_answer_in_another_shape_is_told(key, content):
    def answer(asked: Asked) -> Says:
        return Says(200, content.encode())

    with (
        stand_in(answer) as served,
        pytest.raises(FailedError, check=refused, match="another shape"),
    ):
        Ours(served.url, key).app.read()


@pytest.fixture(scope="module")
def keys(key, tmp_path_factory) -> dict[str, Path]:
    """Files that are no key of an App."""
    tmp_path = tmp_path_factory.mktemp("keys")
    found = {name: tmp_path / name for name in ("text", "elliptic", "locked", "public")}
    found["text"].write_text("n0t-a-key-but-secret\n")
    run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", str(found["elliptic"]))
    rsa = str(key)
    words = ["openssl", "rsa", "-in", rsa, "-aes256", "-passout", "pass:x"]
    run(*words, "-out", str(found["locked"]))
    run("openssl", "rsa", "-in", rsa, "-pubout", "-out", str(found["public"]))
    return found


@pytest.mark.parametrize("kind", ["text", "elliptic", "locked", "public"])
def test_a_file_that_is_no_key_of_an_app_is_bad_input(keys, kind):
    path = keys[kind]
    with pytest.raises(InputError) as error:
        Ours("http://127.0.0.1:9", path).app.read()
    assert [one.code for one in error.value.problems] == ["invalid-app-key"]
    assert str(path) in str(error.value)
    assert "n0t-a-key" not in str(error.value)


@pytest.mark.parametrize(
    ("app_id", "installation", "code"),
    [
        ("", "", "invalid-app"),
        ("my app", "", "invalid-app"),
        ("1/2", "", "invalid-app"),
        (APP, "home", "invalid-app"),
        (APP, "-1", "invalid-app"),
    ],
)
def test_an_id_that_cannot_be_meant_is_bad_input(key, app_id, installation, code):
    with pytest.raises(InputError) as error:
        check_app(App(app_id, key, PROJECT, "https://api.github.com", installation))
    assert [one.code for one in error.value.problems] == [code]


def test_ids_and_client_ids_are_fine(key):
    for app_id in (APP, "Iv1.8a61f9b3a7aba766", "Iv23liABCdefGHI"):
        check_app(App(app_id, key, PROJECT, "https://api.github.com"))


def test_a_key_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"--github-app-key-file .*nowhere"):
        check_app(App(APP, tmp_path / "nowhere", PROJECT, "https://api.github.com"))


def test_no_secret_is_shown(key):
    with github(key) as (server, _, ours):
        token = ours.app.read()
        server.revoke()
        ours.elapsed = 4000
        with pytest.raises(FailedError, check=refused) as error:
            ours.app.read()
    body = "".join(key.read_text().splitlines()[1:-1])
    for text in (repr(ours.app), str(error.value)):
        assert token not in text
        assert body[:40] not in text


@dataclass
class OverHttp:
    """A clone of a server that takes the newest token alone, as if the others had ended."""

    server: AppStandIn
    ours: Ours
    repository: Repository
    web: Path


@pytest.fixture
def over_http(tmp_path: Path, key: Path) -> Iterator[OverHttp]:
    server = AppStandIn(key)
    with web_server(tmp_path / "web", tls=False) as web:
        (web.repositories / "home").mkdir()
        remote = bare_repository(tmp_path, {"a.yaml": MANAGED})
        (web.repositories / "home" / "ops.git").symlink_to(remote)

        def answer(asked: Asked) -> Says:
            said = server.answer(asked)
            if server.minted:
                let_in(web.directory, server.minted[-1])
            return said

        with stand_in(answer) as served:
            ours = Ours(served.url, key)
            url = f"{web.url}/{PROJECT}.git"
            with opened(tmp_path / "clone", url, credentials=ours.app) as repository:
                repository.fetch()
                yield OverHttp(server, ours, repository, web.directory)


def test_git_pushes_with_it_and_goes_on_with_the_next(over_http):
    commit_and_push(over_http.repository, b"one\n")
    over_http.ours.elapsed = 3600
    commit_and_push(over_http.repository, b"two\n")
    assert len(over_http.server.minted) == 2


def test_a_token_that_git_is_refused_with_is_not_used_again(over_http):
    """Revoked, or minted before somebody gave the App its rights: an hour is too long to wait."""
    repository = over_http.repository
    commit = commit_ours(repository, {"a.yaml": MANAGED + b"one\n"})
    let_in(over_http.web, "of somebody else")
    assert refused(repository.push())
    assert repository.push() == Published(commit)
    assert len(over_http.server.minted) == 2
    let_in(over_http.web, "of somebody else")
    with pytest.raises(FailedError, check=refused):
        repository.fetch()
    assert repository.fetch() is False
    assert len(over_http.server.minted) == 3


def test_a_hook_that_declines_says_nothing_of_the_token(over_http):
    """A commit that is refused for what it holds must not mint a token at each try."""
    hook = over_http.web.parent / "remote.git" / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    commit_ours(over_http.repository, {"a.yaml": MANAGED + b"one\n"})
    for _ in range(2):
        assert refused(over_http.repository.push())
    assert len(over_http.server.minted) == 1


def let_in(directory: Path, token: str) -> None:
    hashed = run("openssl", "passwd", "-apr1", token).stdout
    fresh = directory / "passwords.new"
    fresh.write_text(f"x-access-token:{hashed}")
    fresh.replace(directory / "passwords")


def commit_and_push(repository: Repository, content: bytes) -> None:
    commit = commit_ours(repository, {"a.yaml": MANAGED + content})
    report = repository.push()
    assert getattr(report, "commit", "") == commit, report


def test_an_api_that_is_away_does_not_keep_a_daemon_from_its_start(tmp_path, key):
    """It waits, as it does for the branch."""
    ours = Ours(f"http://127.0.0.1:{free_port()}", key)
    url = f"http://127.0.0.1:{free_port()}/{PROJECT}.git"
    with (
        opened(tmp_path / "clone", url, credentials=ours.app) as repository,
        pytest.raises(FailedError, check=away, match="GitHub App"),
    ):
        repository.fetch()


def test_a_process_that_signs_shows_neither_key_nor_token(key, tmp_path, monkeypatch):
    """They go through pipes: not in its arguments, and not in its environment."""
    seen = tmp_path / "seen"
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\n{{ echo "$@"; env; }} > {seen}\ncat > /dev/null\nprintf a.b.c\n')
    fake.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(fake))
    monkeypatch.setenv("GITOPS_PREFIX_FORGE_TOKEN", "planted-secret")
    with github(key) as (_, _, ours), pytest.raises(FailedError, check=refused):
        ours.app.read()
    text = seen.read_text()
    assert "github_app" in text
    assert "planted-secret" not in text
    assert not re.search("BEGIN|PRIVATE", text)
