"""Making words that others wrote fit to be seen: no credentials, nothing a terminal obeys."""

import re

# To the last "@" before the path: a password that was not escaped may hold one.
_USERINFO = re.compile(r"(?<=://)[^\s/]*@")


def scrub(text: str) -> str:
    """The text without what stands before an `@` in a URL, and in printable characters."""
    lines = _USERINFO.sub("", text.replace("\r", "\n"))
    return "".join(one if one.isprintable() or one in "\n\t" else "?" for one in lines)
