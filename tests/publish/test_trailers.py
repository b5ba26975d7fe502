"""Trailers: git reads ours, and nobody else can write one."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.publish.message import OURS, Trailer, parse_trailer, with_trailers

NAMED = (Trailer("Dynamic-Prefix", "home"), Trailer("Current-Prefix", "2001:db8::/64"))


def as_git_reads(message: str) -> list[str]:
    answer = subprocess.run(
        ["git", "interpret-trailers", "--parse"],
        input=message, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return answer.stdout.splitlines()


GOOD = {
    "Signed-off-by: Bot <bot@example.com>": ("Signed-off-by", "Bot <bot@example.com>"),
    "Change-Id: I8f": ("Change-Id", "I8f"),
    "X2: a: b": ("X2", "a: b"),
}
BAD = {
    "nothing": "",
    "no value": "Key:",
    "no key": ": value",
    "a blank in the key": "My Key: value",
    "an underscore": "my_key: value",
    "no blank behind the colon": "Key:value",
    "two lines": "Key: value\nDynamic-Prefix: x",
    "a carriage return": "Key: value\rmore",
    "a line separator": "Key: value\u2028more",
    "no end": "Key: " + "x" * 300,
    "one of ours": "Current-Prefix: ::/0",
    "one of ours in another case": "current-PREFIX: ::/0",
}


@pytest.mark.parametrize(("line", "trailer"), GOOD.items(), ids=GOOD)
def test_a_trailer_is_a_key_and_a_value(line, trailer):
    assert parse_trailer(line) == Trailer(*trailer)
    assert as_git_reads(with_trailers("subject", [parse_trailer(line)])) == [line]


@pytest.mark.parametrize("line", BAD.values(), ids=BAD)
def test_anything_else_is_none(line):
    with pytest.raises(ValueError, match=r"is no trailer|is a trailer that gitops-prefix writes"):
        parse_trailer(line)


TEXTS = {
    "a subject": ("subject", "subject\n\n{ours}"),
    "blank lines and blanks": ("\n\nsubject  \n\n\n\nbody\n\n", "subject\n\nbody\n\n{ours}"),
    "CRLF": ("subject\r\n\r\nbody\r\n", "subject\n\nbody\n\n{ours}"),
    "trailers of its own are text": ("subject\n\nKey: x", "subject\n\nKey: x\n\n{ours}"),
    "ours already": ("subject\n\nDynamic-Prefix: home\nCurrent-Prefix: 2001:db8::/64", "subject\n\n{ours}"),
    "one of ours": ("s\n\nbody\n\nCurrent-Prefix: 2001:db8::/64", "s\n\nbody\n\n{ours}"),
    "another of that key": ("s\n\nCurrent-Prefix: ::/0", "s\n\nCurrent-Prefix: ::/0\n\n{ours}"),
    "a subject that is one": ("Dynamic-Prefix: home", "Dynamic-Prefix: home\n\n{ours}"),
    "where a patch would begin": ("s\n\n---\nb\ndiff --git a/x b/x\nIndex: x\n--- a", "s\n\n ---\nb\n diff --git a/x b/x\n Index: x\n --- a\n\n{ours}"),
    "dashes": ("s\n\n----\n---a", "s\n\n----\n---a\n\n{ours}"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), TEXTS.values(), ids=TEXTS)
def test_the_last_paragraph_is_ours(text, message):
    ours = "".join(f"{one}\n" for one in NAMED)
    assert with_trailers(text, NAMED) == message.format(ours=ours)


@given(st.text())
def test_git_reads_ours_and_no_other_whatever_the_text(text: str):
    """Names and paths come from the repository, and a template from anybody."""
    message = with_trailers(f"subject\n\n{text}", NAMED)
    message = message.encode(errors="replace").decode()
    assert as_git_reads(message) == [str(one) for one in NAMED]


def test_the_keys_of_ours_are_trailers_for_git():
    message = with_trailers("subject", [Trailer(key, "x") for key in OURS])
    assert as_git_reads(message) == [f"{key}: x" for key in OURS]
