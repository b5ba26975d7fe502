"""`make mutation`: random mutants of the pure packages, and those that no test notices.

A mutant is the source with one change: a comparison, an operator, `and` for `or`, a condition
turned round, a number, `return None`, a call left out. Each meets the test files that are nearest
to its module by imports, and, if those let it live, all tests of the packages. It happens in
copies of the tree. What survives either changes nothing that anybody can see, or wants a row.

`.venv/bin/python -m tests.mutation --count 200 --seed 7 --packages decide,render`
"""

import argparse
import ast
import copy
import difflib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

TREE = Path(__file__).parents[1]
# Where the originals are read: a copy, so that whoever edits the tree meanwhile disturbs nothing.
ROOT = TREE
NEAREST = 9
# Of the processor, so that a loaded machine kills no mutant; and of the clock, for one that waits for ever.
SECONDS_OF_WORK, SECONDS = 300, 3600
_PYTEST = f"""\
import resource, sys, pytest
resource.setrlimit(resource.RLIMIT_CPU, ({SECONDS_OF_WORK}, {SECONDS_OF_WORK}))
sys.exit(pytest.main(sys.argv[1:]))
"""

_SWAPPED = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
    ast.Mod: ast.Mult, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.BitXor: ast.BitOr,
}  # fmt: skip


class Mutant(NamedTuple):
    path: Path
    line: int
    what: str
    before: str
    after: str

    def __str__(self) -> str:
        name = self.path.as_posix()
        hunks = difflib.unified_diff(
            self.before.splitlines(), self.after.splitlines(), n=1, lineterm=""
        )
        lines = [line for line in hunks if not line.startswith(("---", "+++", "@@"))]
        return "\n".join([f"{name}:{self.line}: {self.what}", *(f"    {line}" for line in lines)])


class Site(NamedTuple):
    """Where the tree can be changed: the node's number in `ast.walk`, and how."""

    path: Path
    number: int
    line: int
    what: str


def _what_changes(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Compare(ops=[op, *_]) if type(op) in _SWAPPED:
            yield "comparison"
        case ast.BinOp(op=op) if type(op) in _SWAPPED:
            yield "arithmetic"
        case ast.AugAssign(op=op) if type(op) in _SWAPPED:
            yield "arithmetic"
        case ast.BoolOp():
            yield "boolean"
        case ast.If() | ast.IfExp() | ast.While():
            yield "negation"
        case ast.UnaryOp(op=ast.Not()):
            yield "negation"
        case ast.Constant(value=bool() | int() | float()):
            yield "constant"
        case ast.Return(value=ast.expr() as value) if not _is_none(value):
            yield "return None"
        case ast.Expr(value=ast.Call()):
            yield "deleted call"
        case _:
            pass


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _change(node: ast.AST, what: str) -> None:
    match node, what:
        case ast.Compare(), _:
            node.ops[0] = _SWAPPED[type(node.ops[0])]()
        case ((ast.BinOp() | ast.AugAssign() | ast.BoolOp()), _):
            node.op = _SWAPPED[type(node.op)]()
        case ((ast.If() | ast.IfExp() | ast.While()), _):
            node.test = ast.UnaryOp(ast.Not(), node.test)
        case ast.UnaryOp(), _:
            node.op, node.operand = ast.Not(), ast.UnaryOp(ast.Not(), node.operand)
        case ast.Constant(value=bool() as value), _:
            node.value = not value
        case ast.Constant(value=value), _:
            node.value = value + 1
        case ast.Return(), _:
            node.value = ast.Constant(None)
        case ast.Expr(), _:
            node.value = ast.Constant(None)


def _silent(tree: ast.AST) -> set[ast.AST]:
    """What no test could notice: annotations, and decorators, which are checked by their users."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts = [node.returns, *node.decorator_list]
        elif isinstance(node, ast.ClassDef):
            parts = list(node.decorator_list)
        elif isinstance(node, ast.arg | ast.AnnAssign):
            parts = [node.annotation]
        for part in filter(None, parts):
            found.update(ast.walk(part))
    return found


def sites_in(path: Path) -> Iterator[Site]:
    tree = ast.parse((ROOT / path).read_text())
    silent = _silent(tree)
    for number, node in enumerate(ast.walk(tree)):
        if node not in silent:
            yield from (Site(path, number, node.lineno, what) for what in _what_changes(node))


def mutant_of(site: Site) -> Mutant:
    tree = ast.parse((ROOT / site.path).read_text())
    before = ast.unparse(tree)
    changed = copy.deepcopy(tree)
    _change(list(ast.walk(changed))[site.number], site.what)
    after = ast.unparse(ast.fix_missing_locations(changed))
    return Mutant(site.path, site.line, site.what, before, after)


@cache
def imports_of(path: Path) -> frozenset[str]:
    """The modules of the product and of the tests that a file imports."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return frozenset(name for name in found if re.match(r"(gitops_prefix|tests)\b", name))


@cache
def file_of(module: str) -> Path | None:
    path = Path(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if (ROOT / candidate).is_file():
            return candidate
    return None


@cache
def distances(test: Path) -> dict[Path, int]:
    """How many imports lie between a test file and each file that it needs."""
    found, front = {test: 0}, [test]
    while front:
        reached = []
        for path in front:
            for needed in filter(None, map(file_of, sorted(imports_of(path)))):
                if needed not in found:
                    found[needed] = found[path] + 1
                    reached.append(needed)
        front = reached
    return found


def tests_of(packages: list[str]) -> list[Path]:
    return [
        path.relative_to(ROOT)
        for package in packages
        for path in sorted((ROOT / "tests" / package).rglob("test_*.py"))
    ]


def nearest(path: Path, tests: list[Path]) -> list[Path]:
    """The test files with the fewest imports between; first those that are named alike."""
    words = set(path.stem.split("_"))

    def rank(test: Path) -> tuple[int, int, Path]:
        return distances(test).get(path, 99), -len(words & set(test.stem.split("_"))), test

    return sorted(tests, key=rank)[:NEAREST]


class Copy:
    """A copy of the tree in which one mutant after the other is tried."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=TREE, check=True, capture_output=True,
        )  # fmt: skip
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (TREE / name).is_file():
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(TREE / name, directory / name)
        # A compiled module is recognized by its second and its size: no two writes share a second.
        self._second = 1_000_000_000

    def write(self, path: Path, text: str) -> None:
        (self.directory / path).write_text(text)
        self._second += 1
        os.utime(self.directory / path, (self._second, self._second))

    def passes(self, tests: list[Path]) -> bool:
        words = [
            sys.executable,
            "-c",
            _PYTEST,
            "-q",
            "-x",
            "--no-header",
            "-p",
            "no:cacheprovider",
        ]
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.directory),
            "HYPOTHESIS_PROFILE": "few",
        }
        try:
            ran = subprocess.run(
                [*words, "-p", "no:xdist", *map(str, tests)],
                cwd=self.directory, env=environment, check=False, timeout=SECONDS,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return False
        return ran.returncode == 0

    def survives(self, mutant: Mutant, tests: list[Path]) -> bool:
        self.write(mutant.path, mutant.after)
        try:
            return self.passes(nearest(mutant.path, tests)) and self.passes(tests)
        finally:
            self.write(mutant.path, (ROOT / mutant.path).read_text())


def main() -> int:
    global ROOT  # noqa: PLW0603
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--packages", default="decide,render", type=lambda text: text.split(","))
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    survivors = []
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(options.processes) as pool:
        ROOT = Copy(Path(directory) / "originals").directory
        modules = [
            path.relative_to(ROOT)
            for package in options.packages
            for path in sorted((ROOT / "gitops_prefix" / package).rglob("*.py"))
        ]
        sites = [site for path in modules for site in sites_in(path)]
        chosen = random.Random(options.seed).sample(sites, min(options.count, len(sites)))
        tests = tests_of(options.packages)
        copies: SimpleQueue[Copy] = SimpleQueue()
        for number in range(options.processes):
            copies.put(Copy(Path(directory) / str(number)))

        def tried(site: Site) -> Mutant | None:
            mutant, room = mutant_of(site), copies.get()
            try:
                return mutant if room.survives(mutant, tests) else None
            finally:
                copies.put(room)

        first = copies.get()
        assert first.passes(tests), "the tests fail without any mutant"
        copies.put(first)
        for number, mutant in enumerate(pool.map(tried, chosen), 1):
            if mutant:
                survivors.append(mutant)
                print(mutant, flush=True)
            if number % 20 == 0:
                print(f"{number} of {len(chosen)}: {len(survivors)} survived", flush=True)
    killed = len(chosen) - len(survivors)
    print(
        f"{len(chosen)} mutants of {len(sites)} possible: {killed} killed, {len(survivors)} survived"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
