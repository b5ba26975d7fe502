"""Nothing secret is left in words that git and servers wrote."""

import base64
import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.publish.scrub import Secrets, learn, scrub

WORDS = {
    "fatal: unable to access 'https://me:hunter2@git.example.com/x.git/'": "fatal: unable to access 'https://git.example.com/x.git/'",
    "a token alone: https://ghp_abc@github.com/x": "a token alone: https://github.com/x",
    "a password with an @: https://me:p@ss@host/x": "a password with an @: https://host/x",
    "a password with a quote: https://me:it's@host/x": "a password with a quote: https://host/x",
    "two: https://a:b@c/d and https://e:f@g/h": "two: https://c/d and https://g/h",
    "ssh://git@host/x": "ssh://host/x",
    "no URL: a@b": "no URL: a@b",
    "git@github.com: Permission denied": "git@github.com: Permission denied",
    "an @ in a path: https://host/a@b": "an @ in a path: https://host/a@b",
    "no credentials: https://host/x": "no credentials: https://host/x",
    "colours \x1b[31mred\x1b[0m": "colours ?[31mred?[0m",
    "a title \x1b]0;pwn\x07": "a title ?]0;pwn?",
    "no width: a\u200bb\u2060c\ufeff": "no width: a?b?c?",
    "from right to left: \u202etxt.exe": "from right to left: ?txt.exe",
    "C1: \x9b31m": "C1: ?31m",
}


@pytest.mark.parametrize(("text", "clean"), WORDS.items(), ids=WORDS.values())
def test_what_stands_before_the_host_is_cut_out(text: str, clean: str):
    """And nothing else."""
    assert scrub(text) == clean


@given(st.text(st.characters(exclude_characters="/@", exclude_categories=["Z", "C"]), min_size=1))
def test_no_password_is_left(password: str):
    """Whatever it is made of, as long as it stands in a URL."""
    text = scrub(f"fatal: 'https://me:{password}@host/x' {'y' * 3}")
    assert text == "fatal: 'https://host/x' yyy"


def test_nothing_is_left_that_a_terminal_obeys():
    """A server's colours, bells and cursor movements stay out of logs; its lines stay lines."""
    assert (
        scrub("remote: \x1b[31mno\x07\u202e\rremote: yes\n\tnö")
        == "remote: ?[31mno??\nremote: yes\n\tnö"
    )


SECRET = 'pa"ss/w&rd+é'


@pytest.mark.parametrize(
    "form",
    [SECRET, json.dumps(SECRET, ensure_ascii=False), html.escape(SECRET), quote(SECRET), quote(SECRET, safe=""),
     base64.b64encode(f"me:{SECRET}".encode()).decode(), base64.b64encode(SECRET.encode()).decode()],
)  # fmt: skip
def test_a_secret_that_was_read_is_found_in_every_form(form: str):
    """As it is, in JSON, on a page, in a URL, and as http sends it."""
    secrets = Secrets()
    secrets.learn(SECRET, user="me")
    assert secrets.redact(f"<{form}>").strip('<">') == "[secret]"


def test_every_line_of_a_key_is_a_secret():
    """But for the ones that begin and end it."""
    secrets = Secrets()
    key = "-----BEGIN KEY-----\nb3BlbnNzaC1r\nZXktdjEAAA==\n-----END KEY-----\n"
    secrets.learn(key)
    assert secrets.redact("x b3BlbnNzaC1r y ZXktdjEAAA== -----BEGIN KEY-----") == (
        "x [secret] y [secret] -----BEGIN KEY-----"
    )


@pytest.mark.parametrize("short", ["", "a", "main", "token"])
def test_what_is_too_short_to_be_secret_mutilates_no_words(short: str):
    secrets = Secrets()
    secrets.learn(short)
    assert secrets.redact("a token for main") == "a token for main"


def test_a_longer_secret_is_not_cut_by_a_shorter_one():
    secrets = Secrets()
    secrets.learn("s3cret")
    secrets.learn("s3cret-and-more")
    assert secrets.redact("s3cret-and-more s3cret") == "[secret] [secret]"


def test_of_secrets_that_are_renewed_for_years_the_newest_are_remembered():
    secrets = Secrets()
    for number in range(200):
        secrets.learn(f"token-{number:04}")
    assert secrets.redact("token-0199") == "[secret]"
    assert secrets.redact("token-0000") == "token-0000"
    kept = [n for n in range(200) if secrets.redact(f"token-{n:04}") == "[secret]"]
    assert kept == list(range(200 - 64, 200))


def test_a_secret_that_is_used_is_not_forgotten_for_those_that_are_renewed():
    """A webhook's stays for years, and an App's token for an hour."""
    secrets = Secrets()
    for number in range(200):
        secrets.learn("s3cret-that-stays")
        secrets.learn(f"token-{number:04}")
    assert secrets.redact("s3cret-that-stays token-0199") == "[secret] [secret]"


def test_a_secret_that_is_known_without_its_user_is_learnt_with_it():
    """A token may be a forge's before it is git's."""
    secrets = Secrets()
    secrets.learn(SECRET)
    secrets.learn(SECRET, user="me")
    assert secrets.redact(base64.b64encode(f"me:{SECRET}".encode()).decode()) == "[secret]"


def test_what_a_server_repeats_is_scrubbed():
    learn("t0ken-of-a-test")
    assert scrub("remote: t0ken-of-a-test is not\x07 welcome") == "remote: [secret] is not? welcome"
