"""A GitHub App as credentials: a token of its installation, minted from its key and renewed.

docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app. The token
is for one repository, lives an hour, and is in the memory of this process alone.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.app_jwt import sign
from gitops_prefix.publish.credentials import Token, read_secret
from gitops_prefix.publish.failure import FailedError, Reason, of_kind, read_failure
from gitops_prefix.publish.http import Answer, Refused, Request, Response, Send
from gitops_prefix.publish.loan import Loan
from gitops_prefix.publish.scrub import learn
from gitops_prefix.publish.stages import Stage

_LIFETIME = 540
"""Lifetime of the App's own token, in seconds; GitHub accepts ten minutes at most."""
_BACKDATED = 60
"""GitHub's advice: a clock that is a little fast must not issue a token in the future."""
_OTHER_SHAPE = "the GitHub App's API answers in another shape"
_SKEW = 30.0
"""A clock difference, in seconds, that explains a refusal."""
_MARGIN = 300.0
"""Seconds before its end at which a token is renewed: it must not expire during a push."""


@dataclass(frozen=True, slots=True)
class App:
    """An App.

    Attributes:
        app_id: its id, or its client id.
        key_file: read for each use.
        project: OWNER/NAME of the repository.
        api: as in https://api.github.com.
        installation: its id; empty: found by the repository.
    """

    app_id: str
    key_file: Path
    project: str
    api: str
    installation: str = ""


@dataclass(frozen=True, slots=True)
class Clock:
    """Two clocks: seconds that only go forward, and seconds since 1970."""

    monotonic: Callable[[], float]
    calendar: Callable[[], float]


@dataclass(slots=True)
class GitHubApp:
    """Credentials for git over https, and a token for the API."""

    app: App
    send: Send
    clock: Clock
    _token: str = field(default="", repr=False)
    _until: float = 0.0
    _installation: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def lend(self, url: str, loan: Loan) -> None:
        """Lend the token, with the user `x-access-token`.

        Raises:
            InputError: the key cannot be read, or is not a key.
            FailedError: the last token expired, and the API does not answer, does not know the
                App, or the App is not installed for the repository.
        """
        Token(self.read).lend(url, loan)

    def doubt(self) -> None:
        """Mint a new token next time: rights that were granted since then are only in a new one."""
        with self._lock:
            self._token = ""

    def read(self) -> str:
        """Return the token; mint a new token if the last one is missing or expires soon.

        Raises: as `lend` does.
        """
        with self._lock:
            if not self._token or self.clock.monotonic() >= self._until:
                self._mint()
            return self._token

    def _mint(self) -> None:
        asked_at = self.clock.monotonic()
        if not self._installation:
            self._installation = self.app.installation or self._find()
        name = self.app.project.partition("/")[2]
        path = f"app/installations/{self._installation}/access_tokens"
        answer = self._ask("POST", path, {"repositories": [name]})
        content = answer.json()
        try:
            token = str(content["token"])
            ends = datetime.fromisoformat(content["expires_at"]).timestamp()
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise _failed(
                Reason.REFUSED, "the GitHub App's API answers in another shape"
            ) from error
        learn(token, user="x-access-token")
        # Both times are the server's, so that our clock does not matter.
        there = _seconds(answer.headers.get("date", ""))
        lifetime = ends - (self.clock.calendar() if there is None else there)
        self._until = asked_at + max(lifetime - _MARGIN, lifetime / 2)
        self._token = token

    def _find(self) -> str:
        answer = self._ask("GET", f"repos/{self.app.project}/installation")
        try:
            return str(answer.json()["id"])
        except (KeyError, TypeError) as error:
            raise _failed(
                Reason.REFUSED, "the GitHub App's API answers in another shape"
            ) from error

    def _ask(self, method: str, path: str, content: object = None) -> Response:
        """Ask as the App; ask again with the server's time if our clock differs."""
        now = self.clock.calendar()
        answer = self._ask_at(now, method, path, content)
        if isinstance(answer, Refused) and answer.status == 401:
            there = _seconds(answer.date)
            if there is not None and abs(there - now) > _SKEW:
                answer = self._ask_at(there, method, path, content)
        if isinstance(answer, Response):
            return answer
        words = f"the GitHub App: {answer.words}"
        if not isinstance(answer, Refused):
            raise _failed(Reason.UNREACHABLE, words)
        if answer.status == 404:
            # An App that was removed and installed again has another id.
            self._installation = ""
            words += f" (is it installed for {self.app.project}, and may it write contents there?)"
        raise _failed(Reason.REFUSED, words)

    def _ask_at(self, now: float, method: str, path: str, content: object) -> Answer:
        issued = int(now) - _BACKDATED
        claims = {"iat": issued, "exp": int(now) + _LIFETIME, "iss": self.app.app_id}
        headers = {
            "Authorization": f"Bearer {self._sign(claims)}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        return self.send(Request(method, f"{self.app.api}/{path}", headers, content))

    def _sign(self, claims: dict[str, object]) -> str:
        path = self.app.key_file
        key = read_secret(path, "--github-app-key-file").decode(errors="replace")
        learn(key)
        try:
            token = sign(claims, key, str(path))
        except OutsideError as error:
            raise _failed(Reason.UNREACHABLE, str(error)) from error
        learn(token)
        return token


def check_app(app: App) -> None:
    """Check the options of an App.

    Raises:
        InputError: says what to write instead.
    """
    if not app.app_id.isascii() or not app.app_id.replace(".", "").isalnum():
        message = f'--github-app-id "{app.app_id}" is no id: it stands in the settings of the App'
        raise InputError(Problem("invalid-app", message))
    if app.installation and not app.installation.isdecimal():
        message = (
            f'--github-app-installation-id "{app.installation}" is no number: it ends the URL of '
            "the installation's settings"
        )
        raise InputError(Problem("invalid-app", message))
    read_secret(app.key_file, "--github-app-key-file")


def _failed(general: Reason, words: str) -> FailedError:
    """The kind is known; the words may name a more exact reason."""
    return FailedError(of_kind(general, read_failure(Stage.LOOK, words)))


def _seconds(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
