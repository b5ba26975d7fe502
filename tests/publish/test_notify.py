"""Webhooks, verified as Flux's notification-controller and Argo CD do."""

import hashlib
import hmac
import json
import re
from dataclasses import replace

import pytest

from gitops_prefix.errors import InputError, Problem
from gitops_prefix.publish.http import HttpClient, Refused, Unreachable
from gitops_prefix.publish.notify import Notice, Webhook, check_webhook
from tests.git_servers import free_port
from tests.web_stand_in import Asked, Says, stand_in

SECRET = b"s3cret-of-nobody"
BEFORE, AFTER = "1" * 40, "2" * 40
NOTICE = Notice("ssh://git@git.example.com:2222/home/ops.git", "main", BEFORE, AFTER, ("a.yaml",))


def signed(asked: Asked, header: str) -> bool:
    """As Go's hmac.Equal over the body; the header is sha256=HEX."""
    algorithm, _, signature = asked.headers.get(header, "").partition("=")
    expected = hmac.new(SECRET, asked.body, hashlib.sha256).hexdigest()
    return algorithm == "sha256" and hmac.compare_digest(signature, expected)


def flux(asked: Asked) -> Says:
    """notification-controller, internal/server/receiver_handlers.go, generic-hmac."""
    if asked.method != "POST":
        return Says(405, b"")
    if not asked.path.startswith("/hook/"):
        return Says(404, b"")
    return Says(200, b"") if signed(asked, "x-signature") else Says(400, b"")


def argocd(asked: Asked) -> Says:
    """go-playground/webhooks, as /api/webhook uses it with webhook.github.secret."""
    if asked.method != "POST" or asked.path != "/api/webhook":
        return Says(405, b"")
    if asked.headers.get("x-github-event") != "push":
        return Says(400, b"Unknown webhook event")
    if not signed(asked, "x-hub-signature-256"):
        return Says(400, b"Webhook processing failed: HMAC verification failed")
    return Says(200, b"")


def refreshed(asked: Asked, repo_url: str, revision: str, path: str = "") -> bool:
    """Whether Argo CD, util/webhook/webhook.go, looks at an Application anew."""
    event = json.loads(asked.body)
    web = re.fullmatch(r"https?://([^/:]+)(?::\d+)?/(.+)", event["repository"]["html_url"])
    host, name = (re.escape(part) for part in web.groups())
    wanted = rf"(?i)(http://|https://|\w+@|ssh://(\w+@)?){host}(:[0-9]+|)[:/]{name}(\.git)?"
    head = event["repository"]["default_branch"] == event["ref"].removeprefix("refs/heads/")
    matches = revision == "HEAD" if head and revision == "HEAD" else event["ref"].endswith(revision)
    files = [
        file
        for commit in event["commits"]
        for kind in ("added", "modified", "removed")
        for file in commit[kind]
    ]
    touched = not files or any(file.startswith(path) for file in files)
    return bool(re.fullmatch(wanted, repo_url)) and matches and touched


def hook(kind: str, url: str, secret=lambda: SECRET, **options) -> Webhook:
    return Webhook(kind, url, HttpClient(seconds=60.0).send, secret, **options)


def test_flux_takes_what_is_signed():
    with stand_in(flux) as server:
        assert hook("flux", f"{server.url}/hook/abc").notify(NOTICE) is None
        wrong = hook("flux", f"{server.url}/hook/abc", lambda: b"s3cret-of-another").notify(NOTICE)
    assert isinstance(wrong, Refused)


def test_argocd_takes_what_is_signed():
    with stand_in(argocd) as server:
        assert hook("argocd", f"{server.url}/api/webhook").notify(NOTICE) is None
        wrong = hook("argocd", f"{server.url}/api/webhook", lambda: b"s3cret-of-another").notify(
            NOTICE
        )
        unsigned = hook("argocd", f"{server.url}/api/webhook", None).notify(NOTICE)
    for answer in (wrong, unsigned):
        assert isinstance(answer, Refused)
        assert "HMAC verification failed" in answer.words


@pytest.mark.parametrize(
    ("repo_url", "revision", "path", "expected"),
    [
        ("ssh://git@git.example.com:2222/home/ops.git", "main", "", True),
        ("git@git.example.com:home/ops.git", "main", "", True),
        ("https://git.example.com/home/ops", "main", "", True),
        ("https://git.example.com/home/ops.git", "HEAD", "", True),
        ("https://git.example.com/home/ops", "main", "a.yaml", True),
        ("https://git.example.com/home/ops", "main", "b", False),
        ("https://git.example.com/home/ops", "other", "", False),
        ("https://git.example.com/home/other", "main", "", False),
        ("https://elsewhere.example.com/home/ops", "main", "", False),
    ],
)
def test_argocd_finds_its_applications(repo_url, revision, path, expected):
    """Whatever protocol their repoURL is in."""
    with stand_in(argocd) as server:
        hook("argocd", f"{server.url}/api/webhook").notify(NOTICE)
    assert refreshed(server.asked[0], repo_url, revision, path) is expected


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://git.example.com/", "https://git.example.com/"),
        ("ssh://git@git.example.com:2222/", "ssh://git.example.com:2222/"),
        ("git@[2001:db8::1]:home/ops.git", "https://[2001:db8::1]/home/ops"),
        ("/srv/git/home.git", "/srv/git/home.git"),
    ],
)
@pytest.mark.parametrize("kind", ["argocd", "hmac"])
def test_a_repository_at_no_forge_is_told_of_all_the_same(kind, url, told):
    """A notice that could not be made would end the daemon that has just published."""
    with stand_in(lambda _: Says(200)) as server:
        assert hook(kind, f"{server.url}/api/webhook").notify(replace(NOTICE, url=url)) is None
    event = json.loads(server.asked[0].body)
    assert (event["repository"]["html_url"] if kind == "argocd" else event["repository"]) == told


def test_argocd_without_files_refreshes_every_application():
    notice = Notice(NOTICE.url, "main", "", AFTER)
    with stand_in(argocd) as server:
        hook("argocd", f"{server.url}/api/webhook").notify(notice)
    assert refreshed(server.asked[0], "https://git.example.com/home/ops", "main", "b")


def test_any_url_gets_a_signature_under_the_name_that_it_wants():
    with stand_in(lambda asked: Says(202, b"")) as server:
        assert hook("hmac", server.url, header="X-My-Signature").notify(NOTICE) is None
    [asked] = server.asked
    assert signed(asked, "x-my-signature")
    event = json.loads(asked.body)
    assert (event["branch"], event["before"], event["after"]) == ("main", BEFORE, AFTER)
    assert event["repository"] == "https://git.example.com/home/ops"


def test_a_path_is_told_as_it_is():
    with stand_in(flux) as server:
        notice = Notice("/srv/git/home.git", "main", BEFORE, AFTER)
        assert hook("flux", f"{server.url}/hook/abc").notify(notice) is None


def test_nobody_there_is_told_without_the_path_of_the_hook():
    """It is as good as a secret: whoever knows it may knock."""
    one = hook("flux", f"http://127.0.0.1:{free_port()}/hook/long-digest")
    failure = one.notify(NOTICE)
    assert isinstance(failure, Unreachable)
    assert "long-digest" not in failure.words + one.name
    assert "flux at 127.0.0.1" in one.name


def test_a_secret_that_cannot_be_read_is_told():
    def gone() -> bytes:
        raise InputError(Problem("unreadable", "--notify-secret-file x: gone"))

    failure = hook("flux", "http://127.0.0.1:9/hook/x", gone).notify(NOTICE)
    assert isinstance(failure, Refused)
    assert "--notify-secret-file" in failure.words


@pytest.mark.parametrize(
    ("kind", "url", "is_signed", "code"),
    [
        ("fluxx", "http://x/hook", True, "invalid-notify"),
        ("flux", "", True, "invalid-notify"),
        ("flux", "x/hook", True, "invalid-notify"),
        ("hmac", "file:///etc/passwd", True, "invalid-notify"),
        ("hmac", "http://x:port/", True, "invalid-notify"),
        ("flux", "http://x/hook/y", False, "no-notify-secret"),
        ("hmac", "http://x/hook/y", False, "no-notify-secret"),
    ],
)
def test_a_webhook_that_cannot_be_meant_is_bad_input(kind, url, is_signed, code):
    with pytest.raises(InputError) as error:
        check_webhook(kind, url, signed=is_signed)
    assert [one.code for one in error.value.problems] == [code]


def test_argocd_may_do_without_a_secret():
    check_webhook("argocd", "https://argocd.example.com/api/webhook", signed=False)
