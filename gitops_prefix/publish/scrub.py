"""Hiding credentials in words that others wrote, before anybody sees them."""

import re

# To the last "@" before the path: a password that was not escaped may hold one.
_USERINFO = re.compile(r"(?<=://)[^\s/]*@")


def scrub(text: str) -> str:
    """The text without what stands before an `@` in a URL."""
    return _USERINFO.sub("", text)
