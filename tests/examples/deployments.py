"""examples/kustomize: the base with any choice of its components, as objects."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from ruamel.yaml import YAML

from tests.examples.repositories import Document, build, example

KUSTOMIZE = example("kustomize")
COMPONENTS = tuple(sorted(path.name for path in (KUSTOMIZE / "components").iterdir()))
CLUSTER_MODES = tuple(name for name in COMPONENTS if (KUSTOMIZE / "components" / name / "rbac.yaml").exists())  # fmt: skip


def built(*components: str) -> list[Document]:
    """What kustomize makes of the base with these components."""
    # Beside the base: kustomize takes no component from an absolute path.
    with TemporaryDirectory() as directory:
        path = Path(directory)
        relative = os.path.relpath(KUSTOMIZE, path.resolve())
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [f"{relative}/base"],
            "components": [f"{relative}/components/{name}" for name in components],
        }
        with (path / "kustomization.yaml").open("w") as file:
            YAML(typ="safe").dump(kustomization, file)
        return build(path)


def workload(objects: list[Document]) -> Document:
    """The Deployment or DaemonSet."""
    (found,) = [one for one in objects if one["kind"] in {"Deployment", "DaemonSet"}]
    return found


def pod_of(objects: list[Document]) -> Document:
    """The pod's specification."""
    spec: Document = workload(objects)["spec"]["template"]["spec"]
    return spec


def container_of(objects: list[Document]) -> Document:
    """The one container."""
    (found,) = pod_of(objects)["containers"]
    return found


def environment(objects: list[Document]) -> dict[str, str]:
    """The options of `run`, by their variables; each stands once."""
    pairs = [(one["name"], one["value"]) for one in container_of(objects)["env"]]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)
