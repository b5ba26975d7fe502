"""Unified diffs in colour; click drops the colour where there is no terminal."""

import os

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
