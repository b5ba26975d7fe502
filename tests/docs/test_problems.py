"""docs/problems.md lists every code there is, and no other."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_WITH_CODE = {"Problem": 0, "FieldProblem": 1, "problem": 1, "at_node": 2, "_problem": 2}


def codes_in(source: str) -> set[str]:
    """The literal codes that a module gives to its problems."""
    found = set()
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
            found.add(code.value)
    return found


def test_the_page_has_every_code_and_no_other():
    """A code is a promise to scripts: it is written down, or it does not exist."""
    page = (ROOT / "docs" / "problems.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    listed = {code for row in rows for code in re.findall(r"`([a-z0-9-]+)`", row)}
    used = set()
    for module in (ROOT / "gitops_prefix").rglob("*.py"):
        used |= codes_in(module.read_text())
    # Built from the annotation's name (render/binding.py).
    used |= {"unknown-dynamic-prefix", "unknown-address-range", "unknown-subnet"}
    assert listed == used
