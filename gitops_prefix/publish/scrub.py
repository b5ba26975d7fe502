"""Making words that others wrote fit to be seen: no credentials, nothing a terminal obeys.

Whoever reads a secret says so here (`learn`); a server that repeats it in its words
then tells nobody.
"""

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote

# To the last "@" before the path: a password that was not escaped may hold one.
_USERINFO = re.compile(r"(?<=://)[^\s/]*@")
_INSTEAD = "[secret]"
_SHORTEST = 6
"""What is shorter is no secret, and would be found in the middle of words."""
_MOST = 64
"""Secrets that are remembered; a token is renewed every hour, for years."""


class Secrets:
    """Those that were read, in each form in which they may come back."""

    def __init__(self) -> None:
        self._forms: dict[tuple[str, str], tuple[str, ...]] = {}
        self._pattern: re.Pattern[str] | None = None

    def learn(self, secret: str, *, user: str = "") -> None:
        """Remember one, at each use of it; of several lines, each is one.

        Args:
            secret: as it was read.
            user: what http sends before it (RFC 7617), where it does.
        """
        forms = dict(self._forms)
        known = forms.pop((secret, user), None)
        # The one that was used last is forgotten last.
        forms[secret, user] = known or tuple(dict.fromkeys(_forms(secret, user)))
        # A thread that redacts meanwhile has the old or the new, and never half of one.
        self._forms = dict(list(forms.items())[-_MOST:])
        if known is None:
            every = {form for some in self._forms.values() for form in some}
            longest_first = sorted(every, key=lambda form: (-len(form), form))
            self._pattern = re.compile("|".join(map(re.escape, longest_first))) if every else None

    def redact(self, text: str) -> str:
        """The text without any of them."""
        return self._pattern.sub(_INSTEAD, text) if self._pattern else text


def _forms(secret: str, user: str) -> Iterator[str]:
    for line in [secret.strip(), *secret.splitlines()]:
        word = line.strip()
        if len(word) < _SHORTEST or word.startswith("-----"):
            continue
        yield word
        yield json.dumps(word, ensure_ascii=False)[1:-1]
        yield html.escape(word)
        yield quote(word, safe="")
        yield quote(word)
        yield base64.b64encode(word.encode(errors="replace")).decode()
        if user:
            yield base64.b64encode(f"{user}:{word}".encode(errors="replace")).decode()


_SECRETS = Secrets()
learn = _SECRETS.learn
redact = _SECRETS.redact


def scrub(text: str) -> str:
    """The text without secrets that were read, or what stands before an `@` in a URL.

    What is left is printable.
    """
    lines = _USERINFO.sub("", redact(text).replace("\r", "\n"))
    return "".join(one if one.isprintable() or one in "\n\t" else "?" for one in lines)
