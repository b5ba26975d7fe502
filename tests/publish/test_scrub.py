"""Nothing secret is left in words that git and servers wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.publish.scrub import scrub

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
