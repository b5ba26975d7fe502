"""Fifty pools moved to another prefix: `render`, and what else would replace their blocks.

All start a process and write the files in place. Only `render` decides, knows the
history, proves its edit and keeps comments and quotes; the others replace a value.
"""

import compileall
import importlib.util
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.home_repository import write
from bench.ratio import measure, show

_ROUNDS = 10
_PROGRAM = str(Path(sys.executable).with_name("gitops-prefix"))
"""As pip installs it."""
_ROUND_TRIP = """
import sys
from ruamel.yaml import YAML
start, stop, *names = sys.argv[1:]
yaml = YAML()
for name in names:
    with open(name) as file:
        manifest = yaml.load(file)
    manifest["spec"]["blocks"] = [{"start": start, "stop": stop}]
    with open(name, "w") as file:
        yaml.dump(manifest, file)
"""


def main(directory: Path) -> None:
    """Each peer has a directory of its own, and every call finds another prefix to write."""
    _compile("gitops_prefix", "click", "ruamel.yaml")
    ours = _ours(directory / "ours")
    peers = {"a ruamel round trip": _round_trip} | dict(_yqs())
    for number, (name, peer) in enumerate(peers.items()):
        theirs = peer(directory / f"peer-{number}")
        row = f"4 50 pools moved by render, over {name}"
        show(row, measure(ours, theirs, _ROUNDS), "< 1 x")
    for name in ("yq of PyPI", "yq of Go"):
        if name not in peers:
            print(f"4 50 pools moved by render, over {name}: not on PATH, not measured")


def _compile(*packages: str) -> None:
    """Bytecode of both sides, as pip writes it where a package is installed."""
    for package in packages:
        specification = importlib.util.find_spec(package)
        for directory in (specification and specification.submodule_search_locations) or ():
            compileall.compile_dir(directory, quiet=2)


def _yqs() -> Iterator[tuple[str, Callable[[Path], Callable[[], None]]]]:
    """The programs called yq, which are two: one wraps jq, one is written in Go."""
    for folder in os.get_exec_path():
        program = shutil.which("yq", path=folder)
        if program is None:
            continue
        version = subprocess.run([program, "--version"], check=True, capture_output=True).stdout
        if b"mikefarah" in version:
            # With --inplace it writes the first file that it is given, and no other.
            yield "yq of Go", _replacing(["xargs", "-0", "-n", "1", program, "-i"])
        else:
            yield "yq of PyPI", _replacing(["xargs", "-0", program, "-y", "-i"])


def _ours(tree: Path) -> Callable[[], None]:
    write(tree, 51, 50)
    links = itertools.cycle(("a", "b"))

    def call() -> None:
        prefix = f"home-ipv6=2001:db8:{next(links)}::/64"
        _run([_PROGRAM, "render", str(tree), "--prefix", prefix])

    return call


def _round_trip(tree: Path) -> Callable[[], None]:
    names = [*map(str, write(tree, 51, 50))]
    blocks = _blocks()
    return lambda: _run([sys.executable, "-c", _ROUND_TRIP, *next(blocks), *names])


def _replacing(command: list[str]) -> Callable[[Path], Callable[[], None]]:
    def of(tree: Path) -> Callable[[], None]:
        names = "\0".join(map(str, write(tree, 51, 50)))
        blocks = _blocks()

        def call() -> None:
            start, stop = next(blocks)
            value = f'.spec.blocks = [{{"start": "{start}", "stop": "{stop}"}}]'
            _run([*command, value], stdin=names)

        return call

    return of


def _blocks() -> Iterator[tuple[str, str]]:
    for link in itertools.cycle(("a", "b")):
        yield f"2001:db8:{link}:0:f000::", f"2001:db8:{link}:0:ffff:ffff:ffff:ffff"


def _run(command: list[str], *, stdin: str = "") -> None:
    subprocess.run(command, check=True, capture_output=True, input=stdin.encode())
