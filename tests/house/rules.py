"""The rules of the house that ruff, mypy and import-linter do not know.

Each rule returns faults: a place, and what to write instead. `python -m tests.house` prints
them for the packages that it is given, and `test_house.py` holds them.
"""

import ast
import io
import re
import subprocess
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PRODUCT = ROOT / "gitops_prefix"
MOST_MODULES = 160
BUDGETS = {
    "apply": 14,
    "cli": 28,
    "daemon": 15,
    "decide": 18,
    "lab": 5,
    "plan": 4,
    "publish": 28,
    "render": 30,
    "simulate": 6,
    "watch": 10,
}

# What a reader stumbles over, and what to write instead. CONTRIBUTING.md has the rules.
PHRASES = {
    r"(?:is|are|was|were|be|been|being) told": "is given, is reported, receives",
    r"tells?|told|telling": "report, say, name, distinguish",
    r"(?:comes?|came|coming) to(?! an end\b)": "is, becomes, results in",
    r"(?<!there\s)(?:is|are|was|were) none": "does not exist, there is no ...",
    r"of whom": "whose, of which: name the noun again",
    r"lest": "so that ... not",
    r"(?:is|are|was|were|be) let": "may, is allowed",
    r"lets? (?:go|alone)": "release, ignore",
    r"(?:give|gives|gave|given) back": "release, return",
    r"stands? for": "means, represents",
    r"knows? of": "knows, has",
    r"errs?": "is wrong, fails",
    r"(?:has|have|had) not got": "does not have",
}
# Words may stand on two lines, and in a comment on two comments.
_BETWEEN = r"[\s#]+"
_PHRASES = {
    re.compile(rf"\b(?:{words.replace(' ', _BETWEEN)})\b", re.IGNORECASE): instead
    for words, instead in PHRASES.items()
}
# `is None` in a sentence about Python is no English.
_NOT_ENGLISH = re.compile(r"None\b")


class Fault(NamedTuple):
    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.text}"


@cache
def tracked() -> tuple[Path, ...]:
    """The files of the repository, without what git ignores; those of the tree where git is absent."""
    words = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        return tuple(
            path for path in ROOT.rglob("*") if ".venv" not in path.parts and path.is_file()
        )
    names = listed.stdout.decode().split("\0")
    return tuple(path for name in names if name and (path := ROOT / name).is_file())


@cache
def modules(directory: Path) -> tuple[Path, ...]:
    return tuple(
        sorted(path for path in directory.rglob("*.py") if "__pycache__" not in path.parts)
    )


def packages() -> list[str]:
    """The packages of the product, and `.` for the modules beside them."""
    return [".", *sorted(path.parent.name for path in PRODUCT.glob("*/__init__.py"))]


def modules_of(package: str) -> tuple[Path, ...]:
    if package == ".":
        return tuple(sorted(PRODUCT.glob("*.py")))
    return modules(PRODUCT / package)


def tests_of(package: str) -> tuple[Path, ...]:
    """The test modules of a directory of tests/, or those in tests/ itself."""
    if package == ".":
        return tuple(sorted((ROOT / "tests").glob("*.py")))
    return modules(ROOT / "tests" / package)


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text(), str(path))))


def pages() -> list[Path]:
    """The pages that users read. CONTRIBUTING.md quotes the words that it forbids."""
    mine = [path for path in tracked() if path.suffix == ".md" and "golden" not in path.parts]
    return sorted(path for path in mine if path.name != "CONTRIBUTING.md")


def _prose_of(path: Path) -> Iterator[tuple[int, str]]:
    """Docstrings and other strings, and each block of comments, with the line where it begins."""
    for node in nodes_of(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    begin, block, last = 0, "", 0
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.start[0] != last + 1:
            yield begin, block
            begin, block = token.start[0], ""
        block, last = f"{block}{token.string}\n", token.start[0]
    yield begin, block


def _phrases_in(path: Path, begin: int, prose: str) -> Iterator[Fault]:
    taken: set[int] = set()
    for pattern, instead in _PHRASES.items():
        for found in pattern.finditer(prose):
            if _NOT_ENGLISH.search(found[0]) or taken & set(range(*found.span())):
                continue
            taken.update(range(*found.span()))
            line = begin + prose.count("\n", 0, found.start())
            words = " ".join(found[0].replace("#", " ").split())
            yield Fault(path, line, f'"{words}": write plainly ({instead})')


def phrases(package: str) -> list[Fault]:
    """Words of the old house's English, in docstrings, comments and strings."""
    return [
        fault
        for path in modules_of(package)
        for begin, prose in _prose_of(path)
        for fault in _phrases_in(path, begin, prose)
    ]


def phrases_of_pages() -> list[Fault]:
    """The same in README.md and docs/; what stands in `backquotes` is quoted."""
    faults = []
    for path in pages():
        prose = re.sub(r"(?<!`)`[^`\n]+`(?!`)", lambda code: "`" * len(code[0]), path.read_text())
        faults += _phrases_in(path, 1, prose)
    return faults


def loop_variables(package: str) -> list[Fault]:
    """A loop variable is named after what it holds, never `one`."""
    faults = []
    for path in modules_of(package):
        for node in nodes_of(path):
            if not isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
                continue
            faults += [
                Fault(path, name.lineno, "a loop variable `one`: name what it holds")
                for name in ast.walk(node.target)
                if isinstance(name, ast.Name) and name.id in {"one", "_one"}
            ]
    return faults


def names(package: str) -> list[Fault]:
    """Report, not tell; release, not let go: also in the names of functions and classes."""
    faults = []
    for path in modules_of(package):
        for node in nodes_of(path):
            if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
                continue
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node.name).lower().split("_")
            faults += [
                Fault(path, node.lineno, f"`{node.name}`: `{word}` is report, say or name")
                for word in {"tell", "tells", "told", "telling"} & set(words)
            ]
    return faults


def class_names(package: str) -> list[Fault]:
    """A public class's name is its own in all of the product; the upper of two layers renames."""
    where = defaultdict(list)
    for path in modules(PRODUCT):
        for node in nodes_of(path):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where[node.name].append((path, node.lineno))
    mine = set(modules_of(package))
    return [
        Fault(path, line, f"a class `{name}` is also in {_others(places, path)}")
        for name, places in sorted(where.items())
        if len(places) > 1
        for path, line in places
        if path in mine
    ]


def _others(places: list[tuple[Path, int]], path: Path) -> str:
    return (
        ", ".join(str(other.relative_to(ROOT)) for other, _ in places if other != path)
        or "it again"
    )


def references(_: str = ".") -> list[Fault]:
    """No text refers to a document that is not in the repository."""
    gone = re.compile(rf"\b{'DES' + 'IGN'}(?:'s\b|[\s#]+§?\d|, ground)")
    faults = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for found in gone.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            faults.append(
                Fault(
                    path, line, f'"{found[0]}" is not here: say the reason, or name a page of docs/'
                )
            )
    return faults


def conflicts(_: str = ".") -> list[Fault]:
    """No file holds what git writes where two changes meet."""
    marker = re.compile(rb"^(?:<{7}|>{7}|\|{7}) ", re.MULTILINE)
    faults = []
    for path in tracked():
        content = path.read_bytes()
        faults += [
            Fault(
                path, content.count(b"\n", 0, found.start()) + 1, "a conflict is left: resolve it"
            )
            for found in marker.finditer(content)
        ]
    return faults


# What the standard library calls so, and means for everybody.
_PUBLIC = {"_replace", "_asdict", "_fields", "_make", "_exit", "_getframe"}


def private_members(directory: str) -> list[Fault]:
    """A test uses the public surface: `x._y` only where x is `self` or `cls`."""
    return [fault for path in tests_of(directory) for fault in _private_in(path)]


def _private_in(path: Path) -> Iterator[Fault]:
    for node in nodes_of(path):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(attr=name) if _private(name):
                yield Fault(path, node.lineno, f"touches `.{name}`: use what is public")
            case ast.ImportFrom(module=module, names=aliases):
                for alias in aliases:
                    if _private(alias.name):
                        yield Fault(path, node.lineno, f"imports `{alias.name}` of {module}")
            case ast.Call(
                func=ast.Attribute(attr="setattr" | "delattr"), args=[_, *_] as arguments
            ):
                for argument in arguments[:2]:
                    if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                        continue
                    if any(_private(part) for part in argument.value.split(".")):
                        yield Fault(
                            path, node.lineno, f'patches "{argument.value}", which is private'
                        )
            case _:
                pass


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in _PUBLIC


def imports_of_tests(directory: str) -> list[Fault]:
    """What two test modules need is in neither of them: no test module is imported."""
    faults = []
    for path in tests_of(directory):
        for node in nodes_of(path):
            if isinstance(node, ast.ImportFrom):
                modules = [
                    node.module or "",
                    *(f"{node.module}.{alias.name}" for alias in node.names),
                ]
            elif isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            else:
                continue
            for module in modules:
                if re.search(r"^tests\.(?:.*\.)?test_\w+$", module):
                    faults.append(
                        Fault(
                            path,
                            node.lineno,
                            f"imports {module}: move what is shared to a module of its own",
                        )
                    )
                    break
    return faults


class Function(NamedTuple):
    lines: int
    path: Path
    line: int
    name: str


def functions() -> list[Function]:
    """Every function of the product, the longest first; without decorators, which are tables."""
    found = [
        Function(node.end_lineno - node.lineno + 1, path, node.lineno, node.name)
        for path in modules(PRODUCT)
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    ]
    return sorted(found, key=lambda function: -function.lines)


BY_PACKAGE = {
    "phrases": phrases,
    "loop-variable": loop_variables,
    "names": names,
    "class-names": class_names,
}
BY_DIRECTORY = {"private-members": private_members, "imports-of-tests": imports_of_tests}
OF_ALL = {
    "phrases-of-pages": phrases_of_pages,
    "references": references,
    "conflicts": conflicts,
}


def directories() -> list[str]:
    """The directories of tests/ that hold modules, and `.` for tests/ itself."""
    tests = ROOT / "tests"
    return [
        ".",
        *sorted(
            path.name for path in tests.iterdir() if path.is_dir() and any(path.glob("**/*.py"))
        ),
    ]
