"""An ssh key before ssh sees it: it must open without a question."""

import pytest

from gitops_prefix.publish.credentials import usable_key
from tests.git_servers import new_key
from tests.netns import run
from tests.parts import require


def made(directory, passphrase: str, *options: str) -> bytes:
    require("ssh-keygen")
    key = directory / "key"
    run("ssh-keygen", "-q", *options, "-N", passphrase, "-f", str(key))
    return key.read_bytes()


FORMS = {
    "OpenSSH": ("-t", "ed25519"),
    "PEM": ("-t", "rsa", "-b", "2048", "-m", "PEM"),
    "PKCS 8": ("-t", "ecdsa", "-m", "PKCS8"),
}


@pytest.mark.parametrize("options", FORMS.values(), ids=FORMS)
def test_a_key_that_opens_is_left_as_it_is(tmp_path, options):
    key = made(tmp_path, "", *options)
    assert usable_key(key) == key
    assert usable_key(b"\n" + key.replace(b"\n", b"\r\n").rstrip()) == key
    assert usable_key(key + b"# my key\n") == key + b"# my key\n"


@pytest.mark.parametrize("options", FORMS.values(), ids=FORMS)
def test_a_key_behind_a_passphrase_is_told(tmp_path, options):
    with pytest.raises(ValueError, match="protected by a passphrase"):
        usable_key(made(tmp_path, "a passphrase", *options))


def test_the_public_half_is_no_key(tmp_path):
    with pytest.raises(ValueError, match=r"without \.pub"):
        usable_key(new_key(tmp_path / "key").encode())


OTHERS = {
    "nothing": (b" \n", "empty"),
    "a certificate": (b"-----BEGIN CERTIFICATE-----\nAAAA\n", "no private key"),
    "a token": (b"ghp_0123456789\n", "no private key"),
    "PuTTY's": (b"PuTTY-User-Key-File-3: ssh-ed25519\n", "puttygen"),
    "a PGP key": (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "no private key"),
    "half a key": (b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNza\n", "not whole"),
    "an empty key": (b"-----BEGIN OPENSSH PRIVATE KEY-----\n", "not whole"),
    "a key of another make": (
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAAAAAAAAAAAAAA\n",
        "not whole",
    ),
}


@pytest.mark.parametrize(("content", "words"), OTHERS.values(), ids=OTHERS)
def test_what_is_no_key_is_told_without_being_shown(content: bytes, words: str):
    with pytest.raises(ValueError, match=words) as error:
        usable_key(content)
    assert "ghp_" not in str(error.value)


@pytest.mark.parametrize("options", FORMS.values(), ids=FORMS)
def test_a_key_that_ends_anywhere_is_told(tmp_path, options):
    """Cut at every length: ssh would only say that it may not log in."""
    key = made(tmp_path, "", *options)
    for end in range(len(key.rstrip())):
        with pytest.raises(ValueError, match=r"^(is|has) "):
            usable_key(key[:end])


@pytest.mark.parametrize("instead", [b"", b" ", b"\\n"])
@pytest.mark.parametrize("options", FORMS.values(), ids=FORMS)
def test_a_key_that_lost_its_line_ends_is_told(tmp_path, options, instead):
    with pytest.raises(ValueError, match="lost its line ends"):
        usable_key(made(tmp_path, "", *options).rstrip().replace(b"\n", instead))
