"""Patterns of paths to pass over, in gitignore syntax."""

import re
from collections.abc import Iterable

from pathspec import GitIgnoreSpec


def ignored_paths(lines: Iterable[str]) -> GitIgnoreSpec:
    """The patterns of an ignore file; a line that is none matches nothing, as with git."""
    return GitIgnoreSpec.from_lines([line for line in lines if _is_pattern(line)])


def _is_pattern(line: str) -> bool:
    try:
        GitIgnoreSpec.from_lines([line])
    except (ValueError, re.error):
        return False
    return True
