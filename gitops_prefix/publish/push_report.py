"""What became of a push, read from `git push --porcelain` and git's words.

PURE. Three things can be wrong, and each asks for something else: the branch moved
(make the commit anew), the remote refuses (somebody must act), it is away (wait).
"""

import re
from dataclasses import dataclass
from typing import TypeAlias

_MOVED = re.compile(
    r"fetch first|non-fast-forward|stale info|cannot lock ref|failed to update ref"
    r"|incorrect old value|reference already exists",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"hook declined|protected branch|permission denied|permission to .* denied"
    r"|authentication failed|could not read (username|password)|host key verification failed"
    r"|remote host identification has changed|repository .*not found|does not appear to be a git"
    r"|access denied|not allowed|unauthorized|forbidden|error: 40[0134]|returned error: 40[0134]"
    r"|remote rejected|pre-receive|\bdeny(ing)?\b|does not exist|invalid username"
    r"|marked as read only",
    re.IGNORECASE,
)
# A server's own trouble passes, though it is the server that rejects.
_TROUBLE = re.compile(r"internal server error|returned error: 5\d\d", re.IGNORECASE)
# "Could not resolve host" for /denys/home.git is no denial.
_QUOTED_URL = re.compile(r"'[^'\s]*[:/][^'\s]*'")


@dataclass(frozen=True, slots=True)
class Published:
    """The branch holds our commit."""

    commit: str


@dataclass(frozen=True, slots=True)
class Moved:
    """Somebody else's commit came first."""

    words: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The remote will not have it until something changes."""

    words: str


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The remote did not answer."""

    words: str


PushReport: TypeAlias = Published | Moved | Refused | Unreachable
Failure: TypeAlias = Refused | Unreachable


def read_push(status: int, stdout: str, stderr: str, commit: str) -> PushReport:
    """What a push came to.

    Args:
        status: git's exit status; -1 when its time was over.
        stdout: with --porcelain, a line for the branch that begins with its flag.
        stderr: git's and the server's words.
        commit: what was pushed.
    """
    if status == 0:
        return Published(commit)
    lines = [line for line in stdout.splitlines() if line.startswith("!")]
    rejected = "\n".join(line.split("\t")[-1] for line in lines)
    words = _words(f"{rejected}\n{stderr}") or f"exit status {status}"
    # A line for the branch is the remote's own answer; it comes before other words.
    for text in (rejected, _QUOTED_URL.sub("", stderr)):
        if _TROUBLE.search(text):
            return Unreachable(words)
        if _MOVED.search(text):
            return Moved(words)
        if _REFUSED.search(text):
            return Refused(words)
    return Unreachable(words)


def read_failure(status: int, stderr: str) -> Failure:
    """What a fetch or ls-remote that failed came to."""
    words = _words(stderr) or f"exit status {status}"
    text = _QUOTED_URL.sub("", stderr)
    refused = _REFUSED.search(text) and not _TROUBLE.search(text)
    return Refused(words) if refused else Unreachable(words)


def _words(text: str) -> str:
    """The lines that say something, as one; "hint:" lines are for people at a prompt."""
    lines = (line.strip() for line in text.splitlines())
    wanted = [line for line in lines if line and not line.startswith(("hint:", "To ", "Done"))]
    return "; ".join(dict.fromkeys(wanted))[:2000]
