"""A GitHub App as credentials: a token of its installation, minted from its key and renewed.

docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app. The token
is for one repository, lives an hour, and is in the memory of this process alone.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.credentials import Token, read_secret
from gitops_prefix.publish.failure import FailedError, Reason, of_kind, read_failure
from gitops_prefix.publish.http import Answer, Refused, Request, Response, Send
from gitops_prefix.publish.loan import Loan
from gitops_prefix.publish.scrub import learn, scrub
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
_SIGNING_SECONDS = 30.0
_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
"""The variables that the signing process gets."""


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
            token = _sign_apart(claims, key, str(path))
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


def _sign_apart(claims: Mapping[str, object], key: str, name: str) -> str:
    """Return the claims as a token (RS256, RFC 7515), signed by a separate process.

    pyjwt and cryptography would add 10 MiB to the daemon. The key goes in by a pipe, and the
    token comes out by another.

    Args:
        claims: as in RFC 7519.
        key: an RSA private key in PEM.
        name: the key's file, for messages.

    Raises:
        InputError: the key is not such a key.
        OutsideError: the process does not answer.
    """
    # -P: files in the working directory must not be imported.
    command = [sys.executable, "-P", "-m", "gitops_prefix.publish.github_app"]
    try:
        answer = subprocess.run(
            command,
            input=json.dumps({"claims": dict(claims), "key": key}),
            capture_output=True,
            text=True,
            check=False,
            timeout=_SIGNING_SECONDS,
            env={variable: os.environ[variable] for variable in _KEPT if variable in os.environ},
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise OutsideError(f"a GitHub App's token cannot be signed: {error}") from error
    if answer.returncode == 2:
        message = f"--github-app-key-file {name} {scrub(answer.stderr.strip())}"
        raise InputError(Problem("invalid-app-key", message))
    if answer.returncode != 0:
        words = scrub(answer.stderr.strip()).splitlines() or [f"exit code {answer.returncode}"]
        raise OutsideError(f"a GitHub App's token cannot be signed: {words[-1]}")
    return answer.stdout.strip()


def main() -> int:
    """Read claims and key from standard input; write the token."""
    import jwt  # noqa: PLC0415  only this process needs it

    asked = json.loads(sys.stdin.read())
    try:
        token = jwt.encode(asked["claims"], asked["key"], algorithm="RS256")
    # The words of a key parser are unbounded, and may quote the key.
    except (ValueError, TypeError, AttributeError, jwt.PyJWTError):
        sys.stderr.write(
            "is no RSA private key in PEM that opens without a passphrase: generate one in the "
            "settings of the App"
        )
        return 2
    sys.stdout.write(token)
    return 0


if __name__ == "__main__":
    sys.exit(main())
