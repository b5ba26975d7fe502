"""What became of a push, read from `git push --porcelain` and git's words.

PURE. Three things can be wrong, and each asks for something else: the branch moved
(make the commit anew), the remote refuses (somebody must act), it is away (wait).
"""

import re
from dataclasses import dataclass
from typing import TypeAlias

_MOVED = re.compile(
    r"fetch first|non-fast-forward|stale info|cannot lock ref|failed to (update ref|lock)\b"
    r"|incorrect old value|reference already exists",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"hook declined|protected branch|permission denied|permission to .* denied"
    r"|authentication failed|could not read (username|password)|host key verification failed"
    r"|remote host identification has changed|repository .*not found|does not appear to be a git"
    r"|could not be found or you don't have|access denied|not allowed|not permitted|unauthorized"
    r"|not authorized|forbidden|(returned error:|http code|http) (40[01347]|413)\b"
    r"|remote rejected|pre-receive|\bdeny(ing)?\b|does not exist|invalid username"
    r"|marked as read.only|\bis read.only\b|insufficient permission|does not have write access"
    r"|write access to repository not granted|account is suspended|has enabled or enforced saml"
    r"|too many authentication failures|unable to negotiate with|no mutual signature",
    re.IGNORECASE,
)
# What a server cannot do now passes, though it is the server that rejects: its disk is
# full, it has too much to do, somebody works on it.
_TROUBLE = re.compile(
    r"internal (server )?(connection )?error|internal api|system error|fatal error in commit_refs"
    r"|(returned error:|\berror|http) (408|425|429|5\d\d)\b|unpacker error|\(failure\)"
    r"|unable to migrate objects|no space left on device|disk quota exceeded|out of memory"
    r"|cannot (allocate memory|fork)|resource temporarily unavailable|too many open files"
    r"|rate.?limit|too many (requests|connections|concurrent)|requested too many times"
    r"|heavy load|overloaded|deadline exceeded|not available at this time"
    r"|(temporarily|currently) (read.only|unavailable|disabled)|(try|retry)( again)? later"
    r"|\b(in|under|undergoing|for|down for) (\S+ )?maintenance\b|maintenance (mode|window)",
    re.IGNORECASE,
)
# The same rejection, "unpacker error", for a disk that is full and for one that is not ours.
_NOT_OURS = re.compile(
    r"insufficient permission|permission denied|read-only file system", re.IGNORECASE
)
# What git and ssh would ask a person for, by the option that has it here.
_REMEDIES = (
    (re.compile(r"could not read username", re.IGNORECASE), "give --token-file"),
    (
        re.compile(r"certificate verification failed|certificate problem", re.IGNORECASE),
        "--ca-file names the authority that is believed",
    ),
    (
        re.compile(r"host key is known for|host key for \S+ has changed", re.IGNORECASE),
        "--known-hosts: compare what `ssh-keyscan` says with what the forge publishes, and add it",
    ),
    (
        re.compile(r"permission denied \([^)]*publickey", re.IGNORECASE),
        "the forge has to know the public half of --ssh-key, as a deploy key that may write",
    ),
)
# "Could not resolve host" for /denys/home.git is no denial.
_ADDRESS = re.compile(r"'[^'\s]*[:/][^'\s]*'|\b[a-z+]+://\S+")


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
    others = _ADDRESS.sub("", stderr)
    # A line for the branch is the remote's own answer; it comes before other words. A hook
    # may say what it likes, but for why the server cannot.
    if _MOVED.search(rejected):
        return Moved(words)
    if _is_trouble(f"{rejected}\n{others}"):
        return Unreachable(words)
    if _MOVED.search(others) and not rejected:
        return Moved(words)
    return Refused(words) if _REFUSED.search(f"{rejected}\n{others}") else Unreachable(words)


def read_failure(status: int, stderr: str) -> Failure:
    """What a fetch or ls-remote that failed came to."""
    words = (_words(stderr) or f"exit status {status}") + _remedy(stderr)
    text = _ADDRESS.sub("", stderr)
    refused = _REFUSED.search(text) and not _is_trouble(text)
    return Refused(words) if refused else Unreachable(words)


def _remedy(stderr: str) -> str:
    """What to do about it, where git or ssh only says what they miss."""
    found = (words for pattern, words in _REMEDIES if pattern.search(stderr))
    return "".join(f" ({words})" for words in found)


def _is_trouble(text: str) -> bool:
    return bool(_TROUBLE.search(text)) and not _NOT_OURS.search(text)


def _words(text: str) -> str:
    """The lines that say something, as one; "hint:" lines are for people at a prompt."""
    lines = (line.strip() for line in text.splitlines())
    wanted = [line for line in lines if _says_something(line)]
    return "; ".join(dict.fromkeys(wanted))[:2000]


def _says_something(line: str) -> bool:
    """Forges draw boxes around their words."""
    if line.startswith(("hint:", "To ", "Done")):
        return False
    return any(character.isalnum() for character in line.removeprefix("remote:"))
