"""The modules of `render` are a low house: few floors lie between any two of them."""

import ast
from functools import cache
from pathlib import Path

import gitops_prefix.render

PACKAGE = "gitops_prefix.render"
DIRECTORY = Path(gitops_prefix.render.__file__).parent
MOST_FLOORS = 7
# Beside the kinds: load balancers, positions in a document, and texts that are no YAML.
MOST_MODULES = 34


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(DIRECTORY).with_suffix("").parts).removesuffix(".__init__"): path
        for path in DIRECTORY.rglob("*.py")
    }


def imports(path: Path) -> set[str]:
    """The modules of the package that a module imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not str(node.module).startswith(PACKAGE):
            continue
        name = str(node.module).removeprefix(PACKAGE).removeprefix(".")
        below = {f"{name}.{alias.name}".removeprefix(".") for alias in node.names}
        found |= (below & modules().keys()) or {name}
    return found


@cache
def floor(name: str) -> int:
    """1 for a module that imports nothing of the package."""
    below = imports(modules()[name]) - {name}
    return 1 + max((floor(module) for module in below), default=0)


def test_no_module_stands_higher_than_the_seventh_floor():
    floors = {name: floor(name) for name in modules()}
    assert {name: number for name, number in floors.items() if number > MOST_FLOORS} == {}
    assert floors["rendering"] - floors["source"] < MOST_FLOORS


def test_the_package_has_few_modules():
    assert len(modules()) <= MOST_MODULES
