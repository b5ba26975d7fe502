"""Why a stage failed: the words of git and of servers, classified once. PURE.

Anybody may have written the words. The reasons are few, and are labels of metrics. The
table `_ROWS` maps words to a reason; the first row that matches counts. Each reason has a
kind, which says what helps: make the commit anew, act, or wait.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum

from gitops_prefix.errors import InputError, OutsideError
from gitops_prefix.publish.stages import Stage

_MOST_CHARACTERS = 2000


class Kind(StrEnum):
    """What helps against a failure."""

    MOVED = "moved"
    """Somebody else's commit came first: make ours anew."""
    REFUSED = "refused"
    """A person must change something."""
    AWAY = "away"
    """Waiting may help."""


class Reason(StrEnum):
    """Why a stage failed. The values are labels of metrics, and a promise."""

    PROTECTED = "protected"
    HOOK = "hook"
    IDENTITY = "identity"
    AUTHENTICATION = "authentication"
    MISSING = "missing"
    SERVER = "server"
    SIGNING = "signing"
    UNVERIFIED = "unverified"
    LOCAL = "local"
    DNS = "dns"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"
    CONTESTED = "contested"
    HELD = "held"
    REHEARSED = "rehearsed"
    INVALID = "invalid"

    @property
    def kind(self) -> Kind:
        """What helps."""
        if self is Reason.CONTESTED:
            return Kind.MOVED
        return Kind.AWAY if self in _AWAY else Kind.REFUSED


_AWAY = {Reason.SERVER, Reason.LOCAL, Reason.DNS, Reason.TIMEOUT, Reason.UNREACHABLE}

MEANINGS: Mapping[Reason, str] = {
    Reason.PROTECTED: "the branch is protected from us",
    Reason.HOOK: "a hook of the server declined",
    Reason.IDENTITY: "the server is not who it should be: its host key or certificate",
    Reason.AUTHENTICATION: "the server does not know us, or does not let us write",
    Reason.MISSING: "there is no such repository or branch",
    Reason.SERVER: "the server has trouble of its own: a full disk, an error 500",
    Reason.SIGNING: "the commit cannot be signed",
    Reason.UNVERIFIED: "the branch ends with a commit that nobody signed whom we trust",
    Reason.LOCAL: "our own disk or clone",
    Reason.DNS: "the server's name was not resolved",
    Reason.TIMEOUT: "no answer in time",
    Reason.UNREACHABLE: "no connection, and nothing more is known",
    Reason.REFUSED: "the server refused, and nothing more is known",
    Reason.CONTESTED: "the branch moved faster than we could follow",
    Reason.HELD: "somebody else's commit is on the branch that we would replace",
    Reason.REHEARSED: "a dry run: nothing is published",
    Reason.INVALID: "the repository has errors",
}


@dataclass(frozen=True, slots=True)
class Failed:
    """A stage failed.

    Attributes:
        reason: the label in metrics; its kind says what helps.
        words: for people, on one line.
        stage: where it failed.
    """

    reason: Reason
    words: str
    stage: Stage

    @property
    def kind(self) -> Kind:
        """What helps."""
        return self.reason.kind

    @property
    def could_not_start(self) -> bool:
        """Whether this machine could not start git, or git a child: no process or memory left."""
        return self.reason is Reason.LOCAL and bool(_NOT_STARTED.search(self.words))


class FailedError(OutsideError):
    """A failure as an exception.

    Attributes:
        failed: the failure.
    """

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.words)
        self.failed = failed


@dataclass(frozen=True, slots=True)
class Published:
    """The branch holds our commit."""

    commit: str


PushReport = Published | Failed


# Reasons and patterns; case does not matter. Addresses are removed first, so that a
# repository called /denied/home.git denies nothing.
_ROWS: tuple[tuple[Reason, tuple[str, ...]], ...] = (
    # The lock of such a reference fails at each try.
    (Reason.REFUSED, (r"directory file conflict|cannot lock ref\b[^\n]*exists; cannot create",)),
    # git's own line about the branch; no hook can write it.
    (
        Reason.CONTESTED,
        (
            r"^\[(remote )?rejected\] \([^\n]*(fetch first|non-fast-forward|stale info)",
            r"^\[(remote )?rejected\] \([^\n]*(cannot lock ref|failed to (update ref|lock)\b)",
            r"^\[(remote )?rejected\] \([^\n]*(incorrect old value|reference already exists)",
        ),
    ),
    (
        Reason.IDENTITY,
        (
            "host key verification failed",
            "remote host identification has changed",
            r"host key is known|host key for \S+ has changed",
            "certificate (problem|subject|verif)|alternative certificate",
            "--ca-file",
        ),
    ),
    # "unpacker error" means a full disk, or a disk on which we may not write.
    (
        Reason.AUTHENTICATION,
        ("insufficient permission", r"unpacker error[\s\S]*permission denied"),
    ),
    (Reason.REFUSED, (r"remote: [^\n;]*read-only file system",)),
    # A shortage of our own machine; the next row is about the server.
    (
        Reason.LOCAL,
        (r"cannot fork\(\)", "cannot be started", "cannot be kept in memory|cannot be read now"),
    ),
    # Temporary rejections by the server are retried: its disk is full, it is overloaded, or
    # in maintenance. A hook may say so, too.
    (
        Reason.SERVER,
        (
            "internal (server )?(connection )?error|internal api|system error",
            "fatal error in commit_refs",
            r"the server sends (a pack of )?more than",
            r"(returned error:|\berror|http|http code) (408|425|429|5\d\d)\b",
            r"unpacker error|unpack failed|\(failure\)|unable to migrate objects",
            r"remote: [^\n;]*(no space left|disk quota exceeded)",
            "out of memory|cannot (allocate memory|fork)|resource temporarily unavailable",
            "too many open files|rate.?limit|too many (requests|connections|concurrent)",
            "requested too many times|heavy load|overloaded|deadline exceeded",
            "not available at this time|(try|retry)( again)? later",
            "(temporarily|currently) (read.only|unavailable|disabled)",
            r"\b(in|under|undergoing|for|down for) (\S+ )?maintenance\b",
            "maintenance (mode|window)",
        ),
    ),
    # GitHub says "protected branch hook declined".
    (Reason.PROTECTED, ("protected branch",)),
    (Reason.HOOK, ("hook declined",)),
    (
        Reason.AUTHENTICATION,
        (
            "permission denied|permission to .* denied|access denied|unauthorized|forbidden",
            "authentication failed|too many authentication failures|enforced saml",
            "could not read (username|password)|invalid username",
            r"(returned error:|http|http code|response) 40[137]\b",
            "not (permitted|authorized|granted)|does not have write access",
            "marked as read.only|account is suspended",
            "--(token-file|ssh-key|known-hosts)",
        ),
    ),
    (
        Reason.MISSING,
        (
            "repository .*not found|does not appear to be a git|does not exist|has no branch",
            r"(returned error:|http|http code) (404|30[12378])\b",
            "could not be found or you don't have",
        ),
    ),
    (
        Reason.REFUSED,
        (
            r"remote rejected|pre-receive|\bdeny(ing)?\b|not allowed|\bis read.only\b",
            r"(returned error:|http|http code) (400|413)\b",
            "unable to negotiate with|no mutual signature|unknown repository extension",
        ),
    ),
    (
        Reason.LOCAL,
        (
            "no space left|disk quota exceeded|read-only file system",
            "clone was damaged|--clone-dir",
        ),
    ),
    (Reason.DNS, ("could not resolve|name or service not known|in name resolution",)),
    (Reason.TIMEOUT, ("no answer within|timed out|operation too slow",)),
)
_TABLE = tuple(
    (reason, re.compile("|".join(patterns), re.IGNORECASE | re.MULTILINE))
    for reason, patterns in _ROWS
)
_ADDRESS = re.compile(r"'[^'\s]*[:/][^'\s]*'|\b[a-z+]+://\S+")
_NOT_STARTED = re.compile(r"cannot fork\(\)|git cannot be started")
# The option that gives what git or ssh would ask a person for.
_REMEDIES = (
    (
        re.compile(r"directory file conflict|exists; cannot create", re.IGNORECASE),
        "git has no branch below another one: give another --push-branch, or delete that branch",
    ),
    (re.compile(r"could not read username", re.IGNORECASE), "give --token-file"),
    (
        re.compile(r"certificate verification failed|certificate problem", re.IGNORECASE),
        "--ca-file names the authority that is believed; a wrong clock gives the same error",
    ),
    (
        re.compile(r"host key is known for|host key for \S+ has changed", re.IGNORECASE),
        "--known-hosts: compare what `ssh-keyscan` says with what the forge publishes, and add it",
    ),
    (
        re.compile(r"bad line length character", re.IGNORECASE),
        "something at the server prints before git speaks: a start-up file, or a forced command",
    ),
    (
        re.compile(r"unknown repository extension", re.IGNORECASE),
        "install a newer git: a repository with refStorage = reftable needs 2.45",
    ),
    (
        re.compile(r"out of memory, \w*alloc failed", re.IGNORECASE),
        "git may take 256 MiB for what a server sends",
    ),
    (
        re.compile(
            r"(returned error:|http|http code|response) 401\b|authentication failed for 'http|"
            r"invalid (username or )?(token|password)",
            re.IGNORECASE,
        ),
        "the token is refused; it may have expired: --token-file needs one that may write",
    ),
    (
        re.compile(
            r"(returned error:|http|http code|response) 403\b|write access to \S+ not granted|"
            r"permission to \S+ denied to",
            re.IGNORECASE,
        ),
        "the token is known: give it the right to write contents, and single sign-on where asked",
    ),
    (
        re.compile(
            r"(returned error:|http|http code|response) 404\b|repository 'https?://\S+' not found",
            re.IGNORECASE,
        ),
        "correct --repo, or give the token access: a forge says so of what the token may not see",
    ),
    (
        re.compile(r"permission denied \([^)]*publickey", re.IGNORECASE),
        "the forge has to know the public half of --ssh-key, as a deploy key that may write",
    ),
)
_OF_OUR_DISK = (
    (
        re.compile(r"no space left|out of diskspace|disk quota exceeded", re.IGNORECASE),
        "make room on the disk of --clone-dir",
    ),
    (
        re.compile(r"read-only file system", re.IGNORECASE),
        "--clone-dir has to be on a disk that can be written",
    ),
)
_BY_CHANCE = re.compile(r"(?<=\btmp_)(pack|obj|idx|rev)_\w+")
"""git's names for files that it is writing; each try has another one."""
_NO_REASON = (
    "hint:",
    "To ",
    "Done",
    "fast-import: dumping crash report",
    # Each fetch asks for what is small alone; a server that gives everything is no trouble.
    "warning: filtering not recognized by server",
)
"""How lines begin that are no part of the reason."""
_LOCAL_STAGES = {Stage.READ, Stage.RENDER, Stage.COMMIT}
"""Stages that use only our own disk."""


def read_push(status: int, stdout: str, stderr: str, commit: str) -> PushReport:
    """Return the result of a push.

    Args:
        status: git's exit status; -1 if git did not end in time.
        stdout: with --porcelain, a line for the branch, which begins with its flag.
        stderr: the words of git and of the server.
        commit: the pushed commit.
    """
    if status == 0:
        return Published(commit)
    lines = [line for line in stdout.splitlines() if line.startswith("!")]
    rejected = "".join(line.split("\t")[-1] + "\n" for line in lines)
    words = (_clean(f"{rejected}{stderr}") or f"exit status {status}") + _remedy(stderr)
    # Only the words of others may hold addresses; the branch's own line is git's.
    reason = _look_up(rejected + _ADDRESS.sub("", stderr)) or Reason.UNREACHABLE
    return Failed(reason, words, Stage.PUSH)


def read_failure(
    stage: Stage, said: str, *, status: int = 1, otherwise: Reason = Reason.UNREACHABLE
) -> Failed:
    """Return why a command failed.

    Args:
        stage: where it failed.
        said: the words of git or of a server.
        status: git's exit status, shown if there are no words.
        otherwise: the reason if no row of the table matches.
    """
    reason = _look_up(_ADDRESS.sub("", said)) or otherwise
    remedies = (*_REMEDIES, *_OF_OUR_DISK) if reason is Reason.LOCAL else _REMEDIES
    return Failed(
        reason, (_clean(said) or f"exit status {status}") + _remedy(said, remedies), stage
    )


def failed_by(error: Exception, stage: Stage) -> Failed:
    """Return the failure that an exception means in the stage under way.

    An InputError names something that a person must change; after any other exception,
    waiting may help.
    """
    if isinstance(error, FailedError):
        return error.failed
    if stage in _LOCAL_STAGES:
        return Failed(Reason.LOCAL, str(error), stage)
    otherwise = Reason.REFUSED if isinstance(error, InputError) else Reason.UNREACHABLE
    return of_kind(otherwise, replace(read_failure(stage, str(error)), words=str(error)))


def of_kind(general: Reason, failed: Failed) -> Failed:
    """Return the failure, with the general reason in place of a reason of another kind."""
    return failed if failed.kind is general.kind else replace(failed, reason=general)


@contextmanager
def tolerating(kind: Kind) -> Iterator[None]:
    """Leave the body when it fails in this way, and continue after it."""
    try:
        yield
    except FailedError as error:
        if error.failed.kind is not kind:
            raise


def words_of_git(said: str) -> str:
    """Return what git said of our own disk, in one line, with what to do about it.

    Two tries that fail alike say the same words.
    """
    return _BY_CHANCE.sub(r"\1_", _clean(said)) + _remedy(said, _OF_OUR_DISK)


def _look_up(text: str) -> Reason | None:
    return next((reason for reason, pattern in _TABLE if pattern.search(text)), None)


def _remedy(text: str, remedies: Iterable[tuple[re.Pattern[str], str]] = _REMEDIES) -> str:
    """Return what to do, where git or ssh only says what is missing."""
    found = (words for pattern, words in remedies if pattern.search(text))
    return "".join(f" ({words})" for words in found)


def _clean(text: str) -> str:
    """Join the lines that say something into one; "hint:" lines are for people at a prompt."""
    lines = (line.strip() for line in text.splitlines())
    wanted = [line for line in lines if _says_something(line)]
    return "; ".join(dict.fromkeys(wanted))[:_MOST_CHARACTERS]


def _says_something(line: str) -> bool:
    """Return whether a line has words; forges draw boxes around theirs."""
    if line.startswith(_NO_REASON):
        return False
    return any(character.isalnum() for character in line.removeprefix("remote:"))
