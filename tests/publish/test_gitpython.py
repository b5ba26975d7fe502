"""Of GitPython only `Git.execute` with an argument list is used: its advisories are about the rest."""

import ast
from pathlib import Path

import pytest

from tests.gitrepo import ROOT

SOURCES = sorted((ROOT / "gitops_prefix").rglob("*.py"))
ONE = ROOT / "gitops_prefix" / "publish" / "git.py"


def uses(source: str) -> list[str]:
    """Every way in which a module touches GitPython, as it is written."""
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [f"import {one.name}" for one in node.names if one.name.split(".")[0] == "git"]
        elif (
            isinstance(node, ast.ImportFrom)
            and (node.module or "").split(".")[0] == "git"
            and not node.level
        ):
            found.append(f"from {node.module}")
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "git"
        ):
            found.append(ast.unparse(node))
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("import_module", "__import__")
        ):
            found += (
                [ast.unparse(node)]
                if "('git'" in ast.unparse(node) or "('git." in ast.unparse(node)
                else []
            )
    imported = any(not one.startswith("git.") for one in found)
    return sorted(set(found)) if imported else []


@pytest.mark.parametrize("path", [one for one in SOURCES if one != ONE], ids=lambda path: path.stem)
def test_no_other_module_touches_it(path: Path):
    assert not uses(path.read_text())


def test_one_call_is_made_with_a_list_and_without_a_shell():
    """No repository object, no dynamic method (`git.Git().push(**options)`), no clone_from."""
    source = ONE.read_text()
    assert uses(source) == ["git.Git", "git.GitCommandNotFound", "import git"]
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    [execute] = [node for node in calls if ast.unparse(node.func).startswith("git.") and node.args]
    assert ast.unparse(execute.func) == "git.Git().execute"
    assert isinstance(execute.args[0], ast.List)
    named = {one.arg for one in execute.keywords}
    assert named <= {"istream", "as_process", "env", "pass_fds", "start_new_session"}


@pytest.mark.parametrize("line", [
    "import git.repo", "from git import Repo", "import git\ngit.Repo('.')", "import git\ngit.Git().push('--force')",
    "import importlib\nimportlib.import_module('git')",
])  # fmt: skip
def test_a_slip_is_seen(line: str):
    assert uses(line)
