"""A stand-in for the part of GitHub's API that knows Apps: it verifies, and mints tokens."""

import json
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

import jwt

from tests.forges import PROJECT, says
from tests.netns import run
from tests.web_stand_in import Asked, Says

APP, INSTALLATION = "12345", 678


def new_app_key(path: Path) -> None:
    """As GitHub generates one: RSA, PKCS #1, in PEM."""
    run("openssl", "genrsa", "-traditional", "-out", str(path), "2048")


@dataclass
class AppStandIn:
    """Knows one App by its public key.

    Attributes:
        offset: how far its clock is ahead of ours, in seconds.
        lifetime: of a token, in seconds.
        installed: whether the App is, for PROJECT.
        trouble: answers to be given first.
        minted: each token, in order.
        end: of each token.
    """

    key: Path
    offset: float = 0.0
    lifetime: float = 3600.0
    installed: bool = True
    trouble: list[Says] = field(default_factory=list)
    minted: list[str] = field(default_factory=list)
    project: str = PROJECT
    end: str = "0123456789abcdef"

    def __post_init__(self) -> None:
        self.known = run("openssl", "rsa", "-in", str(self.key), "-pubout").stdout

    def revoke(self) -> None:
        """Somebody deletes the key in the settings of the App."""
        self.known = ""

    def now(self) -> float:
        return time.time() + self.offset

    def answer(self, asked: Asked) -> Says:
        date = formatdate(self.now(), usegmt=True)
        answer = self.trouble.pop(0) if self.trouble else self.route(asked)
        return Says(answer.status, answer.body, {**answer.headers, "Date": date})

    def route(self, asked: Asked) -> Says:
        refusal = self.refusal(asked.headers.get("authorization", ""))
        if refusal:
            return says(401, {"message": refusal})
        not_found = says(404, {"message": "Not Found"})
        if asked.method == "GET" and asked.path == f"/repos/{self.project}/installation":
            return says(200, {"id": INSTALLATION}) if self.installed else not_found
        path = f"/app/installations/{INSTALLATION}/access_tokens"
        if (asked.method, asked.path) != ("POST", path) or not self.installed:
            return not_found
        if json.loads(asked.body)["repositories"] != [self.project.partition("/")[2]]:
            return says(422, {"message": "There is at least one repository that does not exist"})
        self.minted.append(f"ghs_token{len(self.minted)}of{self.end}")
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now() + self.lifetime))
        return says(201, {"token": self.minted[-1], "expires_at": ends})

    def refusal(self, authorization: str) -> str:
        """What GitHub says of a token of the App itself; empty when it takes it."""
        scheme, _, token = authorization.partition(" ")
        if scheme != "Bearer" or not self.known:
            return "A JSON web token could not be decoded"
        options = {"verify_exp": False, "verify_iat": False, "require": ["iat", "exp", "iss"]}
        try:
            claims = jwt.decode(token, self.known, algorithms=["RS256"], options=options)
        except jwt.PyJWTError:
            return "A JSON web token could not be decoded"
        now = self.now()
        faults = {
            "Integration not found": claims["iss"] != APP,
            "'Issued at' claim ('iat') must be an Integer": claims["iat"] > now,
            "'Expiration time' claim ('exp') is too far in the future": claims["exp"] > now + 600,
            "'Expiration time' claim ('exp') must be in the future": claims["exp"] <= now,
        }
        return next((words for words, true in faults.items() if true), "")
