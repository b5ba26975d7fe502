"""A wheel works where it is installed, also in a virtual environment inside somebody's repository."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

import pytest

from gitops_prefix import version
from tests.gitrepo import commit_all

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """As `pipx install`, `uvx` and the image build it, without the network."""
    if not (ROOT / "gitops_prefix").is_dir():
        pytest.skip("a wheel is what is tested already")
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    (built,) = directory.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A repository, with the wheel in a virtual environment inside that Git does not ignore."""
    repository = tmp_path_factory.mktemp("home-ops") / "tree"
    shutil.copytree(ROOT / "examples" / "plain", repository)
    commit_all(repository)
    packages = repository / ".venv" / "lib" / "python3" / "site-packages"
    with ZipFile(wheel) as files:
        files.extractall(packages)
    (repository / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    # Others install such directories, too.
    for name in ("templates", "examples", "docs"):
        (packages / name).mkdir()
    return repository


def ask(repository: Path, *words: str) -> subprocess.CompletedProcess[str]:
    (packages,) = repository.glob(".venv/lib/*/site-packages")
    search = os.pathsep.join((str(packages), sysconfig.get_path("purelib")))
    return subprocess.run(
        [sys.executable, "-P", "-m", "gitops_prefix", *words],
        cwd=repository,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": search, "HOME": str(repository)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_no_file_of_it_is_read_as_a_manifest(wheel):
    names = ZipFile(wheel).namelist()
    assert [name for name in names if name.endswith((".yaml", ".yml"))] == []
    assert "gitops_prefix/shipped.zip" in names
    assert "gitops_prefix/daemon/page.js" in names
    assert "gitops_prefix/schemas/dynamicprefix_v1alpha1.json" in names
    assert any(name.endswith("share/man/man1/gitops-prefix.1") for name in names)


COMMANDS = {
    "--version": f"gitops-prefix {version()}\n",
    "validate": "1 DynamicPrefix",
    "status": "home-ipv6",
    "simulate --list": "flash-renumbering",
    "simulate --scenario flash-renumbering": "commit 1",
    "template": "prefix(",
    "init --for flux --interface eth0 --repo ssh://git@git.example.com/me/home.git new": "new",
}


@pytest.mark.parametrize(("words", "part"), COMMANDS.items())
def test_what_it_ships_is_there(installed, words, part):
    answer = ask(installed, *words.split())
    assert answer.returncode == 0, answer.stderr
    assert part in answer.stdout + answer.stderr


def test_it_knows_the_remedies_that_the_page_shows(installed):
    (packages,) = installed.glob(".venv/lib/*/site-packages")
    assert (packages / "gitops_prefix" / "docs" / "problems.md").is_file()
