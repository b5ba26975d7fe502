"""`.ci/neighbours`: what it builds, and what it says."""

import os
import subprocess
from pathlib import Path

from tests.gitrepo import ROOT


def script(cache: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"XDG_CACHE_HOME": str(cache)}
    command = [str(ROOT / ".ci" / "neighbours"), *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_it_prints_the_folder_and_builds_nothing_where_only_the_cache_is_asked_for(tmp_path):
    done = script(tmp_path, "--cached")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "gitops-prefix-ci" / "neighbours"
    assert done.stdout.strip() == str(folder)
    assert [path.name for path in folder.iterdir()] == ["crds"]


def test_a_name_that_it_does_not_know_is_refused_with_those_that_it_does(tmp_path):
    done = script(tmp_path, "metalbl")
    assert done.returncode == 2
    assert "metalbl" in done.stderr
    assert "external-dns metallb kustomize-controller" in done.stderr
