"""Unified diffs in colour; click drops the colour where there is no terminal."""

import difflib
import os
from collections.abc import Mapping

import click

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def colour_diff(diff: str) -> str:
    """The same diff, with added, removed and hunk lines in colour; obeys NO_COLOR."""
    if os.environ.get("NO_COLOR"):
        return diff
    return "".join(_colour(line) for line in diff.splitlines(keepends=True))


def _colour(line: str) -> str:
    if line.startswith(("+++", "---", "diff ")):
        return click.style(line, bold=True)
    colour = _COLOURS.get(line[:1])
    return click.style(line, fg=colour) if colour else line


def unified_diff(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> str:
    """The lines that differ between files, in the order of their paths.

    Args:
        before: content by path.
        after: that of the files which change.
    """
    lines: list[str] = []
    for path, content in sorted(after.items()):
        old = before[path].decode(errors="replace").splitlines(keepends=True)
        new = content.decode(errors="replace").splitlines(keepends=True)
        for line in difflib.unified_diff(old, new, f"a/{path}", f"b/{path}"):
            complete = line.endswith("\n")
            lines.append(line if complete else f"{line}\n\\ No newline at end of file\n")
    return colour_diff("".join(lines))
