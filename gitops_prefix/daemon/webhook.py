"""`/update`: the router, or a script of it, sends the prefix over HTTP (`acquisition.webhook`).

Requests and answers are those of dynamic DNS clients (dyndns2), which most routers have:

| answer | HTTP | when |
|---|---|---|
| `good PREFIX` | 200 | the prefix is another one than before |
| `nochg PREFIX` | 200 | it is the same |
| `badauth` | 401 | no user of `--webhook-credentials` with this password |
| `nohost` | 404 | no DynamicPrefix of this name has a webhook |
| `notfqdn REASON` | 400 | no prefix that can count |
| `abuse` | 429 | more requests than a router makes |
| `911` | 503 | another daemon leads, or the repository was not read yet: try again |

A query may hold a password, so no query is ever logged.
"""

import base64
import hmac
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl

from gitops_prefix.daemon.logs import OnceEvery
from gitops_prefix.decide.advertisement import WEBHOOK, Router
from gitops_prefix.decide.policy import refusal
from gitops_prefix.decide.prefix import BITS, Prefix, parse_address
from gitops_prefix.plan.ears import Given, Watched, given_for_ever

log = logging.getLogger(__name__)

MOST_BYTES = 2048
"""Of a query or a form."""
MOST_A_MINUTE = 30
"""Requests of a client; a router sends one for each change, and some one every few minutes."""
MOST_CLIENTS = 256
"""Clients that are counted apart; whoever asked longest ago makes room."""
MOST_CREDENTIALS_BYTES = 65536
_PREFIX_WORDS = ("prefix", "ip6lanprefix")
_NAME_WORDS = ("name", "hostname")
_PASSWORD_WORDS = ("password", "pass")
_EXAMPLE = "prefix=2001:db8:12:3400::/56"
_USER_WORDS = ("user", "username")


class Update(NamedTuple):
    """One request.

    Attributes:
        query: the query of the URL, and the form of a POST, as they were sent.
        authorization: the header, or an empty string.
        client: the address that it came from.
        unread: the answer to a request that was not read, because it is too long.
    """

    query: str
    authorization: str = ""
    client: str = ""
    unread: HTTPStatus | None = None


class UpdateAnswer(NamedTuple):
    """A word of dyndns2, and the status that goes with it."""

    status: HTTPStatus
    words: str


class _RefusedUpdateError(Exception):
    """An update that changes nothing, with the answer to it.

    Attributes:
        reason: for the log. It holds nothing of the request, which may hold a password anywhere.
    """

    def __init__(self, status: HTTPStatus, words: str, reason: str) -> None:
        super().__init__(words)
        self.answer = UpdateAnswer(status, words)
        self.reason = f"{words.split(maxsplit=1)[0]}: {reason}"


class _UnreadablePrefixError(ValueError):
    """What was sent is no prefix."""

    def __init__(self, words: str, reason: str) -> None:
        super().__init__(words)
        self.reason = reason


def read_credentials(path: Path) -> tuple[tuple[str, str], ...]:
    """The users and passwords of a file with lines `USER:PASSWORD`.

    Raises:
        ValueError: it cannot be read, or a line is wrong. The words hold no secret.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_CREDENTIALS_BYTES + 1)
        text = content.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{path}: it is not UTF-8") from None
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from error
    if len(content) > MOST_CREDENTIALS_BYTES:
        raise ValueError(f"{path}: it is longer than {MOST_CREDENTIALS_BYTES} bytes")
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        user, colon, password = line.strip().partition(":")
        if not (user and colon and password):
            raise ValueError(f"{path}:{number}: write USER:PASSWORD")
        found.append((user, password))
    if not found:
        raise ValueError(f"{path}: it holds no line USER:PASSWORD")
    return tuple(found)


class Updates:
    """Answers updates, and hands the prefixes on."""

    def __init__(  # noqa: PLR0913  all that it is joined to
        self,
        credentials: Path,
        watched: Callable[[], Mapping[str, Watched]],
        sink: Callable[[Given], None],
        clock: Callable[[], float],
        leads: Callable[[], bool],
        *,
        count: Callable[[], None] = lambda: None,
    ) -> None:
        """Take no update yet.

        Args:
            credentials: the file of users and passwords; it is read for each request.
            watched: the DynamicPrefixes as the repository has them.
            sink: takes what was said, in the thread of the request.
            clock: seconds that only go forward.
            leads: whether this daemon publishes.
            count: called for each update that is refused.
        """
        self._credentials = credentials
        self._watched, self._sink = watched, sink
        self._clock, self._leads, self._count = clock, leads, count
        self._said: dict[str, Prefix] = {}
        self._asked_at: dict[str, deque[float]] = {}
        self._once = OnceEvery()
        self._lock = threading.Lock()

    def answer(self, update: Update) -> UpdateAnswer:
        """Take an update, and log what is new of it."""
        client = update.client or "a client"
        try:
            name, prefix, before = self._take(update)
        except _RefusedUpdateError as refused:
            self._count()
            self._warn(f"refused an update of {client}: %s", refused.reason)
            return refused.answer
        if prefix == before:
            return UpdateAnswer(HTTPStatus.OK, f"nochg {prefix}")
        log.info("%s: an update of %s says %s", name, client, prefix)
        return UpdateAnswer(HTTPStatus.OK, f"good {prefix}")

    def _warn(self, line: str, reason: str) -> None:
        """Log a reason once a minute, with how often it was held back."""
        with self._lock:
            held_back = self._once.admit(reason, self._clock())
        if held_back is not None:
            log.warning(line, reason, extra={"held_back": held_back})

    def _take(self, update: Update) -> tuple[str, Prefix, Prefix | None]:
        """The name, what is said now, and what was said before."""
        now = self._clock()
        if not self._has_room(update.client, now):
            words = f"more than {MOST_A_MINUTE} requests a minute"
            raise _RefusedUpdateError(HTTPStatus.TOO_MANY_REQUESTS, "abuse", words)
        if update.unread is not None:
            words = f"it is longer than {MOST_BYTES} bytes, or does not say how long it is"
            raise _RefusedUpdateError(update.unread, "notfqdn", words)
        # Of a word that is there twice the first counts.
        said = dict(reversed(parse_qsl(update.query, keep_blank_values=True)))
        if not self._knows(update, said):
            words = "no such user and password"
            raise _RefusedUpdateError(HTTPStatus.UNAUTHORIZED, "badauth", words)
        name, followed = self._named(_first(said, _NAME_WORDS))
        try:
            prefix = read_prefix(said)
        except _UnreadablePrefixError as error:
            words = f"notfqdn {error}"
            raise _RefusedUpdateError(HTTPStatus.BAD_REQUEST, words, error.reason) from error
        source, information = Router(name, WEBHOOK), given_for_ever(prefix)
        verdict = refusal(source, information, followed.specification.acquisition)
        if verdict is not None:
            words = f"notfqdn {prefix} is {verdict}"
            raise _RefusedUpdateError(HTTPStatus.BAD_REQUEST, words, f"the prefix is {verdict}")
        if not self._leads():
            words = "another daemon leads"
            raise _RefusedUpdateError(HTTPStatus.SERVICE_UNAVAILABLE, "911", words)
        before = self._said.get(name) or _recalled(followed)
        self._said[name] = prefix
        self._sink(Given(source, (information,), now, now))
        return name, prefix, before

    def _has_room(self, client: str, now: float) -> bool:
        """Whether a client asks in measure: strangers must not use up what a router needs."""
        with self._lock:
            asked_at = self._asked_at.pop(client, None) or deque(maxlen=MOST_A_MINUTE)
            self._asked_at[client] = asked_at
            if len(self._asked_at) > MOST_CLIENTS:
                del self._asked_at[next(iter(self._asked_at))]
            if len(asked_at) == MOST_A_MINUTE and now < asked_at[0] + 60:
                return False
            asked_at.append(now)
            return True

    def _named(self, name: str) -> tuple[str, Watched]:
        """The DynamicPrefix that is meant; without a name, the only one that has a webhook."""
        watched = self._watched()
        if not watched:
            # The client tries again.
            words = "the repository was not read yet"
            raise _RefusedUpdateError(HTTPStatus.SERVICE_UNAVAILABLE, "911", words)
        hooks = {
            hook: followed
            for followed in watched.values()
            if (hook := followed.specification.acquisition.watched_webhook)
        }
        if not name and len(hooks) == 1:
            return next(iter(hooks.items()))
        if name not in hooks:
            words = "no DynamicPrefix of the name that was sent has a webhook"
            raise _RefusedUpdateError(HTTPStatus.NOT_FOUND, "nohost", words)
        return name, hooks[name]

    def _knows(self, update: Update, said: Mapping[str, str]) -> bool:
        """Whether the request has a user and the password; every line takes the same time."""
        given = _basic(update.authorization) or (
            _first(said, _USER_WORDS),
            _first(said, _PASSWORD_WORDS),
        )
        try:
            known = read_credentials(self._credentials)
        except ValueError as error:
            self._warn("--webhook-credentials: %s", str(error))
            return False
        wanted = ":".join(given).encode()
        # All lines are compared, so that the time does not show which user is known.
        matches = sum(
            hmac.compare_digest(f"{user}:{password}".encode(), wanted) for user, password in known
        )
        return matches > 0


def _recalled(followed: Watched) -> Prefix | None:
    """What an update said before a restart."""
    status = followed.status
    return status.current if status and status.source == WEBHOOK else None


def read_prefix(said: Mapping[str, str]) -> Prefix:
    """The prefix of an update.

    An address with a length is the prefix that it lies in: some routers send their own address.

    Raises:
        _UnreadablePrefixError: there is none, with the reason.
    """
    text = _first(said, _PREFIX_WORDS).strip()
    if not text:
        raise _UnreadablePrefixError(f"no prefix: send {_EXAMPLE}", "no prefix")
    address, slash, length = text.partition("/")
    length = length if slash else said.get("length", "").strip()
    if not length:
        words = "no length: send it behind the prefix, or as length=56"
        raise _UnreadablePrefixError(words, "no length")
    if not (length.isascii() and length.isdigit() and 0 < int(length) <= BITS):
        words = f"the length is not 1 to {BITS}"
        raise _UnreadablePrefixError(f"{words}: send one prefix, as in {_EXAMPLE}", words)
    try:
        return Prefix.enclosing(parse_address(address), int(length))
    except ValueError as error:
        raise _UnreadablePrefixError(str(error), "what was sent is no IPv6 address") from error


def _first(said: Mapping[str, str], words: tuple[str, ...]) -> str:
    return next((said[word] for word in words if said.get(word)), "")


def _basic(authorization: str) -> tuple[str, str] | None:
    """User and password of Basic authentication (RFC 7617), or None.

    Some routers send an empty pair, and the credentials in the query.
    """
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        # Also binascii.Error, and characters beyond ASCII.
        return None
    return (user, password) if user or password else None
