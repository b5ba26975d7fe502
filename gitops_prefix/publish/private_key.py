"""An ssh private key, looked at before ssh does: it must open without a question. PURE."""

import base64
import binascii

OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_MAGIC = b"openssh-key-v1\0"
_PEM = tuple(b"-----BEGIN %sPRIVATE KEY-----" % kind for kind in (b"", b"RSA ", b"EC ", b"DSA "))
_PUBLIC = (
    b"ssh-",
    b"ecdsa-",
    b"sk-",
    b"---- BEGIN SSH2",
    b"-----BEGIN PUBLIC",
    b"-----BEGIN RSA PUBLIC",
)
_LOCKED = (
    "is protected by a passphrase, and nobody is there to type it: make one without, by "
    '`ssh-keygen -t ed25519 -N "" -f FILE`'
)


def usable_key(content: bytes) -> bytes:
    """The key as ssh reads it: with plain line ends, and one at its end.

    Raises:
        ValueError: what it is instead, to be read behind the file's name.
    """
    key = content.replace(b"\r\n", b"\n").strip() + b"\n"
    if not key.strip():
        raise ValueError("is empty: write the private key into it")
    if key.startswith(_PUBLIC):
        raise ValueError("is the public half of a key: name the file without .pub")
    if key.startswith(b"PuTTY-User-Key-File"):
        raise ValueError("is PuTTY's: convert it by `puttygen FILE -O private-openssh`")
    if key.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") or b"\nProc-Type: 4,ENC" in key:
        raise ValueError(_LOCKED)
    if key.startswith(OPENSSH):
        if _cipher(key) != b"none":
            raise ValueError(_LOCKED)
    elif not key.startswith(_PEM):
        raise ValueError("is no private key of ssh's: `ssh-keygen -t ed25519` makes one")
    return key


def _cipher(key: bytes) -> bytes:
    """The cipher's name: the first string behind the magic (openssh's PROTOCOL.key).

    Raises:
        ValueError: it is torn.
    """
    body = key.removeprefix(OPENSSH).partition(b"-----END")[0]
    try:
        binary = base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise ValueError("is not whole: copy it again") from error
    rest = binary.removeprefix(_MAGIC)
    length = int.from_bytes(rest[:4], "big")
    if rest == binary or len(rest) < 4 + length:
        raise ValueError("is not whole: copy it again")
    return rest[4 : 4 + length]
