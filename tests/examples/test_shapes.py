"""examples/shapes: each file follows as a whole, and each has its row in docs/shapes.md."""

import re
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gitops_prefix.cli.door import enter

ROOT = Path(__file__).parents[2]
SHAPES = ROOT / "examples" / "shapes"
PAGE = (ROOT / "docs" / "shapes.md").read_text()
FILES = sorted(
    path.relative_to(SHAPES).as_posix()
    for path in SHAPES.rglob("*")
    if path.is_file() and path.name not in {"prefix.yaml", "gitops-prefix.yaml"}
)
LIST = "firewall/loadbalancers.txt"
FIRST, SECOND = "2001:db8:0:1100::/64", "2001:db8:c0de:3300::/64"


def moved(text: str) -> str:
    """What a person would replace: written anew by hand, without the tokenizer."""
    text = text.replace("0.0.1.1.0.0.0.0.8.b.d.0", "0.0.3.3.e.d.0.c.8.b.d.0")
    return re.sub(
        "(?i)(2001:db8):0:11",
        lambda found: f"{found[1]}:{'c0de' if found[1].islower() else 'C0DE'}:33",
        text,
    )


@pytest.fixture(scope="module")
def rendered(tmp_path_factory) -> Path:
    home = tmp_path_factory.mktemp("shapes") / "home"
    shutil.copytree(SHAPES, home)
    assert enter(["render", "--check", str(home)]) == 0
    assert enter(["render", "--prefix", f"home-ipv6={SECOND}", str(home)]) == 0
    assert enter(["render", "--check", str(home)]) == 0
    return home


@pytest.mark.parametrize("path", [path for path in FILES if path != LIST])
def test_every_address_of_a_shape_moves_and_nothing_else(rendered: Path, path: str):
    before = (SHAPES / path).read_text()
    assert (rendered / path).read_text() == moved(before)
    assert moved(before) != before


def test_a_list_has_the_current_network_and_then_the_past_one(rendered: Path):
    before = (SHAPES / LIST).read_text()
    current = "2001:db8:c0de:3300:f000::/68\n"
    after = before.replace("2001:db8:0:1100:", f"{current}2001:db8:0:1100:")
    assert (rendered / LIST).read_text() == after


def test_it_returns_to_the_first_bytes(rendered: Path, tmp_path: Path):
    home = tmp_path / "home"
    shutil.copytree(rendered, home)
    assert enter(["render", "--prefix", f"home-ipv6={FIRST}", str(home)]) == 0
    back = [path for path in FILES if path != LIST]
    assert {path: (home / path).read_text() for path in back} == {
        path: (SHAPES / path).read_text() for path in back
    }


def test_validate_has_nothing_to_say(capsys):
    assert enter(["validate", str(SHAPES)]) == 0
    assert "warning" not in capsys.readouterr().err


def test_every_shape_has_its_row():
    linked = set(re.findall(r"\]\(\.\./examples/shapes/([^)]+)\)", PAGE))
    assert linked == {*FILES, "gitops-prefix.yaml"}


@pytest.mark.parametrize("path", [path for path in FILES if path.endswith(".yaml")])
def test_what_is_yaml_parses_before_and_after(rendered: Path, path: str):
    assert YAML(typ="safe").load((SHAPES / path).read_text())
    assert YAML(typ="safe").load((rendered / path).read_text())
