"""Generated files of every kind: `python -m tests.render.texts [COUNT [FIRST]]`.

Eight of them are a repository. Each file is made twice, for one prefix and for another, by Python's `ipaddress` alone. Rendering
the first must give the second, to the byte; again, the same; and back, the first. Parsers of YAML
that are not ours must read what was meant: libyaml, and npm's `yaml` where `.ci/yaml-reader` put it.
"""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.transition import Choice, advance
from gitops_prefix.errors import Place
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import render
from gitops_prefix.render.settings import Rewrite, Settings
from tests.render import yaml_texts
from tests.render.address_forms import NOISE, token
from tests.render.repository import NOON, PREFIX

TOGETHER = 8
PREFIXES = ("2001:db8:a::/64", "2001:db8:b::/64", "2a02:1:2:3400::/64", "fd12:3456:789a:1::/64")
COMMENTS = (
    *("# {}", "// {}", "; {}", "-- {}", "/* {} */", "<!-- {} -->", "{{# {} #}}", "## {} words"),
    *("! {}", "% {}", "{{{{- /* {} */ -}}}}"),
)
NAMES = ("a.conf", "Corefile", "x.yaml.j2", ".env", "a.txt", "db.home", "a.nft", "x/a.tf", "a.toml")


class Made(NamedTuple):
    """A file for one prefix, the same for another, and what its YAML means.

    Attributes:
        kind: for the figures.
        settings: that name the file, where it has no markers.
    """

    kind: str
    name: str
    past: Prefix
    current: Prefix
    before: bytes
    after: bytes
    settings: Settings = Settings()
    values: tuple[object, object] | None = None

    def readings(self) -> Iterator[tuple[str, object]]:
        """Both texts, and what a parser of YAML must read."""
        if self.values is not None:
            for content, value in zip((self.before, self.after), self.values, strict=True):
                yield content.decode("utf-8-sig"), value


class _Text:
    """Lines before and after."""

    def __init__(self, rng: random.Random, networks: tuple[int, int]) -> None:
        self.rng, self.networks = rng, networks
        self.lines: list[tuple[str, str]] = []

    def words(self) -> tuple[str, str]:
        rng = self.rng
        parts = [(noise, noise) for noise in rng.choices(NOISE, k=rng.randrange(2))]
        parts += [token(rng, *self.networks) for _ in range(rng.randrange(1, 4))]
        rng.shuffle(parts)
        return " ".join(part[0] for part in parts), " ".join(part[1] for part in parts)

    def marker(self, end: str = "") -> str:
        return self.rng.choice(COMMENTS).format(f'{{"$dynamicprefix": "home:rewrite{end}"}}')

    def same(self, line: str) -> None:
        self.lines.append((line, line))

    def plain(self) -> None:
        self.same(self.rng.choice(NOISE))
        self.same(self.words()[0])

    def beside(self) -> None:
        marker, (before, after) = self.marker(), self.words()
        self.lines.append((f"{before} {marker}", f"{after} {marker}"))

    def above(self) -> None:
        self.same(" " * self.rng.randrange(3) + self.marker())
        self.lines.append(self.words())

    def between(self) -> None:
        self.same(self.marker(":begin"))
        self.lines += [self.words() for _ in range(self.rng.randrange(4))]
        self.same(self.marker(":end"))


def _encoded(rng: random.Random, lines: list[tuple[str, str]], end: tuple[str, ...]) -> list[bytes]:
    newline = rng.choice(("\n", "\n", "\r\n"))
    mark, tail = rng.choice(("", "", "", "\ufeff")), newline if rng.choice(end) else ""
    return [
        (mark + newline.join(line[which] for line in lines) + tail).encode() for which in (0, 1)
    ]


def make(seed: int) -> Made:
    """The file of a seed."""
    rng = random.Random(seed)
    repository = seed // TOGETHER
    past, current = map(Prefix.parse, random.Random(repository).sample(PREFIXES, 2))
    networks = past.network, current.network
    if seed % 2:
        return _make_yaml(rng, past, current, seed)
    text = _Text(rng, networks)
    is_named = rng.random() < 0.2
    for _ in range(rng.randrange(1, 8)):
        if is_named:
            text.lines.append(text.words())
        else:
            rng.choice((text.plain, text.beside, text.above, text.between))()
    before, after = _encoded(rng, text.lines, ("", "end"))
    if rng.random() < 0.1:
        # A byte that is no UTF-8 stays.
        before, after = before + b"\xff\xfe", after + b"\xff\xfe"
    name = f"{seed}/{rng.choice(NAMES)}"
    if not is_named:
        return Made("marked text", name, past, current, before, after)
    rewrite = Rewrite(name, "home", Place("gitops-prefix.yaml", 1, 1))
    settings = Settings(rewrites=(rewrite,))
    return Made("named text", name, past, current, before, after, settings)


def _make_yaml(rng: random.Random, past: Prefix, current: Prefix, seed: int) -> Made:
    networks, name = (past.network, current.network), f"{seed}/a.yaml"
    if not has_history(seed) and seed % TOGETHER == 1:
        document = yaml_texts.Document(rng, networks)
        yaml_texts.annotated(document, "")
        before, after = _encoded(rng, document.lines, ("end",))
        return Made("annotated YAML", name, past, current, before, after)
    document = yaml_texts.make(rng, networks, 16 + seed % TOGETHER)
    before, after = _encoded(rng, document.lines, ("end",))
    return Made("marked YAML", name, past, current, before, after, values=document.values)


def has_history(seed: int) -> bool:
    """Whether past prefixes stay; without them a pool returns to its first bytes."""
    return seed // TOGETHER % 2 > 0


def moved(files: dict[str, bytes], prefix: Prefix, settings: Settings) -> dict[str, bytes]:
    """The files after one prefix more."""
    inventory = read_inventory(files, settings)
    statuses = {
        key: advance(document.specification, document.status, Choice(prefix), NOON)
        for key, document in inventory.dynamic_prefixes.items()
    }
    rendering = render(inventory, statuses)
    assert not [str(problem) for problem in rendering.problems if problem.severity == "error"]
    return files | rendering.files


def check(first: int) -> list[Made]:
    """Move the repository that begins with a seed there, again, and back."""
    files_made = [make(seed) for seed in range(first, first + TOGETHER)]
    history = b"" if has_history(first) else b"  transition: {maxPrefixHistory: 0}\n"
    files = {"home.yaml": PREFIX + history} | {made.name: made.before for made in files_made}
    settings = Settings(
        rewrites=tuple(rewrite for made in files_made for rewrite in made.settings.rewrites)
    )
    past, current = files_made[0].past, files_made[0].current
    for prefix in (past, current, current, past):
        files = moved(files, prefix, settings)
        for made in files_made:
            assert files[made.name] == (made.before if prefix == past else made.after), made.name
    for made in files_made:
        for content, value in made.readings():
            assert yaml.load(content, yaml.CSafeLoader) == value, made.name
    return files_made


# Lines of [seed, text, value] in; the seeds of those that it reads otherwise out.
READ_BY_NPM = """
const {parse} = require("yaml"), {isDeepStrictEqual} = require("util")
let count = 0
require("readline").createInterface({input: process.stdin}).on("line", line => {
  const [seed, text, value] = JSON.parse(line)
  if (!isDeepStrictEqual(parse(text, {prettyErrors: false}), value)) console.log(seed)
  count++
}).on("close", () => console.log("read", count))
"""


def read_by_npm(made: Iterator[tuple[int, Made]], reader: Path) -> tuple[int, list[str]]:
    """How many texts npm's `yaml` read, and the seeds of those that it read otherwise."""
    lines = [
        json.dumps([seed, content, value])
        for seed, one in made
        for content, value in one.readings()
    ]
    said = subprocess.run(
        ["node", "-e", READ_BY_NPM],
        input="\n".join(lines),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"NODE_PATH": str(reader / "node_modules")},
    ).stdout
    *wrong, last = said.split("\n")[:-1]
    return int(last.split()[1]), wrong


def main(count: int = 50_000, first: int = 0) -> int:
    """Check many files, and print the figures."""
    kinds: Counter[str] = Counter()
    for seed in range(first, first + count, TOGETHER):
        kinds.update(made.kind for made in check(seed))
    print(f"{sum(kinds.values())} files: every other byte stays, twice is once, and back is back")
    print(", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())))
    reader = Path(os.environ.get("NEIGHBOURS", "/nowhere")) / "npm-yaml"
    if not reader.is_dir():
        print("libyaml read each; npm's `yaml` is not here: NEIGHBOURS=$(.ci/neighbours npm-yaml)")
        return 0
    seeds = range(first, first + count)
    read, wrong = read_by_npm(((seed, make(seed)) for seed in seeds), reader)
    print(f"libyaml read each, and npm's `yaml` {read}; otherwise: {wrong or 'none'}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
