"""What a failed publication is counted as: its stage, and one of a few reasons. PURE.

The words of git and of servers are without bound, and may be anybody's; what is
counted is not: they are looked up here, and what no row knows is told by the result.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from gitops_prefix.publish.stages import Stage


class Reason(StrEnum):
    """Why a stage failed. The values are labels of metrics, and a promise."""

    PROTECTED = "protected"
    HOOK = "hook"
    IDENTITY = "identity"
    AUTHENTICATION = "authentication"
    MISSING = "missing"
    SERVER = "server"
    SIGNING = "signing"
    LOCAL = "local"
    DNS = "dns"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    CONTESTED = "contested"
    HELD = "held"
    INVALID = "invalid"


MEANINGS: Mapping[Reason, str] = {
    Reason.PROTECTED: "the branch is protected from us",
    Reason.HOOK: "a hook of the server declined",
    Reason.IDENTITY: "the server is not who it should be: its host key or certificate",
    Reason.AUTHENTICATION: "the server does not know us, or does not let us write",
    Reason.MISSING: "there is no such repository or branch",
    Reason.SERVER: "the server has trouble of its own: a full disk, an error 500",
    Reason.SIGNING: "the commit cannot be signed",
    Reason.LOCAL: "our own disk or clone",
    Reason.DNS: "the server's name was not resolved",
    Reason.TIMEOUT: "no answer in time",
    Reason.UNREACHABLE: "no connection, and nothing more is known",
    Reason.REFUSED: "the server refused, and nothing more is known",
    Reason.CONTESTED: "the branch moved faster than we could follow",
    Reason.HELD: "somebody else's commit is on the branch that we would replace",
    Reason.INVALID: "the repository has errors",
}


class Failure(NamedTuple):
    """Where and why."""

    stage: Stage
    reason: Reason


_DISK = {Stage.READ, Stage.RENDER, Stage.COMMIT}
"""Stages that ask nobody but our own disk."""

# The first row that matches counts. A forge says "protected branch hook declined", and a
# server's disk is no disk of ours.
_WORDS: Mapping[Reason, tuple[str, ...]] = {
    Reason.PROTECTED: ("protected branch",),
    Reason.HOOK: ("hook declined",),
    Reason.IDENTITY: (
        "host key verification failed",
        "remote host identification has changed",
        "host key is known",
        "certificate",
        "--ca-file",
    ),
    Reason.SERVER: (
        "internal (server |api )?error",
        r"(returned error:|http) (408|425|429|5\d\d)",
        "rate.?limit",
        "too many (requests|connections)",
        "(try|retry)( again)? later",
        "maintenance",
        "unpacker error",
        "unpack failed",
        "remote: [^;]*no space left",
    ),
    Reason.AUTHENTICATION: (
        "permission denied",
        "permission to .* denied",
        "authentication failed",
        "access denied",
        "could not read (username|password)",
        "invalid username",
        "unauthorized",
        "forbidden",
        "(returned error:|http|response) 40[137]",
        "marked as read.only",
        "not (permitted|authorized|granted)",
        "insufficient permission",
        "does not have write access",
        "account is suspended",
        "enforced saml",
        "too many authentication failures",
        "--(token-file|ssh-key|known-hosts)",
    ),
    Reason.MISSING: (
        "not found",
        "does not appear to be a git",
        "returned error: 404",
        "has no branch",
        "does not exist",
    ),
    Reason.LOCAL: (
        "no space left",
        "clone was damaged",
        "--clone-dir",
        "quota exceeded",
        "cannot be started",
        "read-only file system",
    ),
    Reason.DNS: ("could not resolve", "name or service not known", "in name resolution"),
    Reason.TIMEOUT: ("no answer within", "timed out", "operation too slow"),
}
_PATTERNS = {reason: re.compile("|".join(words), re.IGNORECASE) for reason, words in _WORDS.items()}
# A repository called /denied/home.git says nothing of itself.
_QUOTED_URL = re.compile(r"'[^'\s]*[:/][^'\s]*'")


def reason_of(stage: Stage, words: str, otherwise: Reason) -> Reason:
    """What the words of a failure come to.

    Args:
        stage: where it failed.
        words: git's and the server's.
        otherwise: the reason when they say nothing that is known.
    """
    if stage in _DISK:
        return Reason.SIGNING if "cannot be signed" in words else Reason.LOCAL
    text = _QUOTED_URL.sub("", words)
    return next(
        (reason for reason, pattern in _PATTERNS.items() if pattern.search(text)), otherwise
    )
