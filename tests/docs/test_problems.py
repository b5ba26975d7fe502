"""docs/problems.md lists every code there is with its severity, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "problems.md").read_text()
_WITH_CODE = {
    "Problem": 0,
    "MarkerError": 0,
    "FieldProblem": 1,
    "problem": 1,
    "annotation_problem": 0,
    "field_problem": 1,
    "read_private_key": 2,
    "_error": 0,
    "_warning": 1,
    "warning_on": 1,
    "_problem": 2,
}
"""Where each call that makes a problem has its code."""

# Made of the annotation's name (render/manifest.py), or a constant of several readers.
COMPOSED = {
    "empty-field",
    "unknown-part",
    "unknown-dynamic-prefix",
    "unknown-address-range",
    "unknown-subnet",
}
# Made of the source's name (decide/reading.py).
COMPOSED_WARNINGS = {
    "operator-annotation",
    "kernel-not-watched",
    "file-not-watched",
    "dhcpv6pd-not-watched",
    "webhook-not-watched",
    "fritzbox-not-watched",
}


def problems_in(source: str) -> Iterator[tuple[str, str]]:
    """The literal codes that a module gives to its problems, each with its severity."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = (
            node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        )
        index = _WITH_CODE.get(name)
        if index is None or len(node.args) <= index:
            continue
        code = node.args[index]
        if isinstance(code, ast.Constant) and isinstance(code.value, str):
            yield code.value, "warning" if "warning" in name else severity_in(node)


def severity_in(call: ast.Call) -> str:
    for argument in (*call.args, *(one.value for one in call.keywords)):
        if isinstance(argument, ast.Attribute) and getattr(argument.value, "id", "") == "Severity":
            return argument.attr.lower()
    return "error"


def used() -> dict[str, str]:
    modules = (ROOT / "gitops_prefix").rglob("*.py")
    found = dict(one for module in modules for one in problems_in(module.read_text()))
    composed = dict.fromkeys(COMPOSED, "error") | dict.fromkeys(COMPOSED_WARNINGS, "warning")
    return found | composed


def rows() -> list[list[str]]:
    """The cells of each row: its codes, and what to do."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| `")]
    return [line.strip("| ").split(" | ") for line in lines]


def codes(cell: str) -> list[str]:
    # `--output github` in a cell is no code.
    return re.findall(r"`([a-z0-9][a-z0-9-]*)`", cell)


def severity_on_page(cell: str) -> str:
    return next((one for one in ("warning", "note") if f"({one}" in cell), "error")


def test_the_page_has_every_code_with_its_severity_and_no_other():
    """A code is a promise to scripts: it is written down, or it does not exist."""
    listed = {code: severity_on_page(cell) for cell, _ in rows() for code in codes(cell)}
    assert listed == used()


def test_no_code_is_listed_twice():
    listed = [code for cell, _ in rows() for code in codes(cell)]
    assert len(listed) == len(set(listed))


def test_every_code_has_a_remedy():
    """What it is, and after a colon what to do."""
    assert [cell for cell, text in rows() if ": " not in text and "; " not in text] == []
