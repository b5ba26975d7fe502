"""Notices to people, taken by servers of the shape that Slack, Discord, ntfy and Apprise have."""

import json
from dataclasses import replace

import pytest

from gitops_prefix.publish.http import HttpClient, Refused
from gitops_prefix.publish.notify import CHATS, Notice, Webhook, check_webhook
from tests.web_stand_in import Asked, Says, stand_in

SUBJECT = "prefix(home-ipv6): 2001:db8:1234::/64 -> 2001:db8:5678::/64"
AFTER = "2" * 40
PAGE = f"https://github.com/me/home-ops/commit/{AFTER}"
TEXT = f"{SUBJECT}\n1 file on main\n{PAGE}"
NOTICE = Notice("git@github.com:me/home-ops.git", "main", "1" * 40, AFTER, ("a.yaml",), SUBJECT)


def posted(asked: Asked, path: str) -> dict | None:
    """The JSON of a POST to a path."""
    kind = asked.headers.get("content-type", "")
    if (asked.method, asked.path) != ("POST", path) or not kind.startswith("application/json"):
        return None
    return json.loads(asked.body)


def slack(asked: Asked) -> Says:
    """api.slack.com/messaging/webhooks: 200 and "ok", else 400 and a word."""
    message = posted(asked, "/services/T0/B0/XXXX")
    if message is None:
        return Says(400, b"invalid_payload")
    if not message.keys() <= {"text", "blocks", "attachments"} or not message.get("text"):
        return Says(400, b"no_text")
    if any(character in message["text"] for character in "<>"):
        return Says(400, b"a link or a mention")
    return Says(200, b"ok")


def discord(asked: Asked) -> Says:
    """discord.com/developers/docs/resources/webhook#execute-webhook: 204, without a body."""
    message = posted(asked, "/api/webhooks/1/TOKEN")
    if message is None:
        return Says(400, b'{"code": 50109, "message": "The request body contains invalid JSON."}')
    fits = 0 < len(message.get("content", "")) <= 2000
    if not fits or message.get("allowed_mentions") != {"parse": []}:
        return Says(400, b'{"code": 50006, "message": "Cannot send an empty message"}')
    return Says(204, b"")


def ntfy(asked: Asked) -> Says:
    """docs.ntfy.sh/publish: any body is the message; JSON to a topic would be shown as it is."""
    if asked.method != "POST" or asked.path != "/my-topic" or asked.body.startswith(b"{"):
        return Says(400, b'{"code": 40009, "http": 400}')
    if asked.headers.get("title") != "gitops-prefix":
        return Says(400, b'{"code": 40000, "http": 400}')
    return Says(200, b'{"id": "sPs71M8A2T", "event": "message"}')


def apprise(asked: Asked) -> Says:
    """github.com/caronc/apprise-api: POST /notify/KEY with body, title, type, format."""
    message = posted(asked, "/notify/KEY")
    if message is None or not message.get("body"):
        return Says(400, b'{"error": "Payload lacks minimum requirements."}')
    if message.get("type") not in {"info", "success", "warning", "failure"}:
        return Says(400, b'{"error": "An invalid type was specified."}')
    return Says(200, b'{"error": null}')


SERVERS = {
    "slack": (slack, "/services/T0/B0/XXXX", lambda body: json.loads(body)["text"]),
    "discord": (discord, "/api/webhooks/1/TOKEN", lambda body: json.loads(body)["content"]),
    "ntfy": (ntfy, "/my-topic", bytes.decode),
    "apprise": (apprise, "/notify/KEY", lambda body: json.loads(body)["body"]),
}


def hook(kind: str, url: str) -> Webhook:
    return Webhook(kind, url, HttpClient(seconds=60.0).send, None)


@pytest.mark.parametrize("kind", CHATS)
def test_a_chat_takes_the_notice(kind):
    answers, path, text_of = SERVERS[kind]
    with stand_in(answers) as server:
        assert hook(kind, f"{server.url}{path}").notify(NOTICE) is None
        (asked,) = server.asked
    assert text_of(asked.body) == (TEXT.replace(">", "&gt;") if kind == "slack" else TEXT)


@pytest.mark.parametrize("kind", CHATS)
def test_a_chat_that_refuses_is_a_failure_with_its_words(kind):
    with stand_in(lambda _: Says(403, b"invalid_token")) as server:
        failure = hook(kind, f"{server.url}/elsewhere").notify(NOTICE)
    assert isinstance(failure, Refused)
    assert "invalid_token" in failure.words


@pytest.mark.parametrize("kind", CHATS)
def test_a_name_mentions_nobody_and_a_long_one_fits(kind):
    hostile = replace(NOTICE, subject="<!channel> @everyone <https://x|y> " + "n" * 3000)
    answers, path, _ = SERVERS[kind]
    with stand_in(answers) as server:
        assert hook(kind, f"{server.url}{path}").notify(hostile) is None


@pytest.mark.parametrize("kind", CHATS)
def test_a_chat_needs_no_secret_and_its_url_is_in_no_name(kind):
    check_webhook(kind, "https://chat.example.com/hooks/s3cret", signed=False)
    assert hook(kind, "https://chat.example.com/hooks/s3cret").name == f"{kind} at chat.example.com"


def test_without_a_forge_the_commit_is_named():
    with stand_in(ntfy) as server:
        plain = Notice("/srv/home.git", "main", "1" * 40, AFTER, ("a", "b"))
        assert hook("ntfy", f"{server.url}/my-topic").notify(plain) is None
        (asked,) = server.asked
    assert asked.body.decode() == f"main is at {AFTER[:12]}\n2 files on main\n{AFTER[:12]}"
    assert "click" not in asked.headers
