"""Makes the words of others safe to show: no credentials, and no control characters.

Code that reads a secret calls `learn`; then the secret is hidden, even if a server repeats
it in its words.
"""

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote

# Up to the last "@" before the path: an unescaped password may hold an "@".
_USERINFO = re.compile(r"(?<=://)[^\s/]*@")
_INSTEAD = "[secret]"
_SHORTEST = 6
"""Shorter strings are no secrets, and would match inside words."""
_MOST = 64
"""How many secrets are remembered; a token is renewed every hour, for years."""


class Secrets:
    """The secrets that were read, in each form in which they may appear."""

    def __init__(self) -> None:
        self._forms: dict[tuple[str, str], tuple[str, ...]] = {}
        self._pattern: re.Pattern[str] | None = None

    def learn(self, secret: str, *, user: str = "") -> None:
        """Remember a secret; call it at each use. Each line of the secret counts by itself.

        Args:
            secret: as it was read.
            user: sent before it by http (RFC 7617), if any.
        """
        forms = dict(self._forms)
        known = forms.pop((secret, user), None)
        # The secret that was used last is forgotten last.
        forms[secret, user] = known or tuple(dict.fromkeys(_forms(secret, user)))
        # A thread that redacts meanwhile sees the old or the new dictionary, never half of it.
        self._forms = dict(list(forms.items())[-_MOST:])
        if known is None:
            every = {form for some in self._forms.values() for form in some}
            longest_first = sorted(every, key=lambda form: (-len(form), form))
            self._pattern = re.compile("|".join(map(re.escape, longest_first))) if every else None

    def redact(self, text: str) -> str:
        """Return the text with every secret replaced."""
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
    """Return the text without known secrets and without userinfo in URLs.

    Characters that are not printable become "?".
    """
    lines = _USERINFO.sub("", redact(text).replace("\r", "\n"))
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in lines)
