"""The example repositories and what `init` writes, as files and as documents."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gitops_prefix.cli.door import enter
from tests.parts import require

ROOT = Path(__file__).parents[2]
EXAMPLES = ("argocd", "ci", "flux", "plain")
RECONCILERS = ("flux", "argocd")

Document = dict


def example(name: str) -> Path:
    return ROOT / "examples" / name


def copy_example(name: str, to: Path) -> Path:
    return Path(shutil.copytree(example(name), to / name))


def init(directory: Path, *options: str) -> Path:
    assert enter(["init", *options, str(directory)]) == 0
    return directory


@pytest.fixture(params=[*EXAMPLES, *(f"init --for {name}" for name in RECONCILERS)])
def repository(request, tmp_path) -> Path:
    """Each example, and what `init` writes for each reconciler."""
    command, _, reconciler = request.param.partition(" --for ")
    return init(tmp_path, "--for", reconciler) if reconciler else example(command)


def kustomizations(repository: Path) -> list[Path]:
    return sorted(path.parent for path in repository.rglob("kustomization.yaml"))


def build(directory: Path) -> list[Document]:
    """What kustomize makes of a directory: what Flux and Argo CD apply."""
    require("kubectl")
    command = ["kustomize", "build"] if shutil.which("kustomize") else ["kubectl", "kustomize"]
    result = subprocess.run(
        [*command, str(directory)], capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stderr
    return list(parse(result.stdout))


def parse(text: str) -> Iterator[Document]:
    # YAML 1.1, as Kubernetes reads it: 0400 is octal.
    yaml = YAML(typ="safe")
    yaml.version = (1, 1)
    yield from (document for document in yaml.load_all(text) if document is not None)


def documents(repository: Path) -> Iterator[tuple[Path, Document]]:
    """Every document of a Kubernetes kind, wherever it stands."""
    for path in sorted(repository.rglob("*.yaml")):
        for document in parse(path.read_text(encoding="utf-8")):
            if "apiVersion" in document:
                yield path.relative_to(repository), document


def of_kind(kind: str, found: list[Document]) -> list[Document]:
    return [document for document in found if document["kind"] == kind]
