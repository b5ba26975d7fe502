"""The chart, as helm renders it."""

import json
import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.examples.repositories import ROOT, Document, parse
from tests.parts import require

CHART = ROOT / "charts" / "gitops-prefix"
(METADATA,) = parse((CHART / "Chart.yaml").read_text())
(VALUES,) = parse((CHART / "values.yaml").read_text())
REPO = "ssh://git@git.example.com/home-ops.git"
Values = dict[str, Any]


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    """helm, whatever it answers."""
    require("helm")
    # Nobody's plugins and repositories; and helm makes its home, where there is none.
    with TemporaryDirectory() as home:
        return subprocess.run(
            ["helm", *words],
            env={"PATH": os.environ["PATH"], "HOME": home},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


def template(
    directory: Path,
    values: Values | None = None,
    *,
    release: str = "gitops-prefix",
    namespace: str = "gitops-prefix",
    tests: bool = False,
) -> subprocess.CompletedProcess[str]:
    """`helm template` with a file of values, which it leaves in the directory."""
    file = directory / "values.yaml"
    file.write_text(json.dumps({"repo": REPO} | (values or {})))
    words = ["template", release, str(CHART), "--namespace", namespace]
    return helm(*words, *([] if tests else ["--skip-tests"]), "--values", str(file))


def rendered(directory: Path, values: Values | None = None, **other: Any) -> list[Document]:
    """The objects that it comes to."""
    answer = template(directory, values, **other)
    assert answer.returncode == 0, answer.stderr
    return list(parse(answer.stdout))


def plain(document: Document) -> Document:
    """Without what Helm's users expect, and kustomize's do without.

    Labels; in the name of a role elsewhere the namespace, so that two releases do not meet; and
    that a claim stays.
    """
    if "Role" in document["kind"]:
        whole = json.dumps(document)
        document = json.loads(whole.replace("gitops-prefix:gitops-prefix", "gitops-prefix"))
    labels = {"app.kubernetes.io/name": "gitops-prefix"}
    labelled = {"labels": labels} if "template" in document.get("spec", {}) else {}
    dropped = {"labels"} | (
        {"annotations"} if document["kind"] == "PersistentVolumeClaim" else set()
    )
    metadata = {key: text for key, text in document["metadata"].items() if key not in dropped}
    copy = {**document, "metadata": {**metadata, **labelled}}
    if "template" in document.get("spec", {}):
        spec = copy["spec"] = {**document["spec"], "selector": {"matchLabels": labels}}
        spec["template"] = {"metadata": {"labels": labels}, "spec": {**spec["template"]["spec"]}}
    return copy
