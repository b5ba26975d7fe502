"""What others make, and we run or ship: by its content, never by a name that may move."""

import json
import re
import subprocess
import sys

import pytest

from tests.ci.sbom import differences, locked
from tests.examples.repositories import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").iterdir())
LOCK = (ROOT / "requirements.lock").read_text()


def test_one_commit_of_an_action_is_used_everywhere():
    used = {}
    for path in WORKFLOWS:
        for name, commit in re.findall(r"uses: ([\w./-]+)@([0-9a-f]{40})", path.read_text()):
            used.setdefault(name, set()).add(commit)
    assert [name for name, commits in used.items() if len(commits) > 1] == []


def test_the_base_image_is_named_by_its_digest():
    (base,) = re.findall(r"^ARG PYTHON=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert re.fullmatch(r"3\.13\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base)


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("requirements*.lock")), ids=lambda path: path.name
)
def test_each_package_of_a_lock_has_its_hashes(path):
    blocks = re.split(r"^(?=\S)", path.read_text(), flags=re.MULTILINE)
    for block in blocks:
        if "==" in block.partition("\n")[0]:
            assert "--hash=sha256:" in block, block


def test_the_locks_are_audited_each_day():
    audit = (ROOT / ".github" / "workflows" / "audit.yml").read_text()
    assert "run: make audit" in audit
    assert "schedule:" in audit
    makefile = (ROOT / "Makefile").read_text()
    assert "pip-audit --require-hashes --disable-pip --requirement requirements.lock" in makefile


def image(**changed: str) -> dict:
    """An SBOM as syft writes it for an image of ours."""
    packages = locked(LOCK) | {"gitops-prefix": "0.1.0", "pip": "25.3"} | changed
    return {
        "linux/amd64": {
            "SPDX": {
                "packages": [
                    {"name": name, "externalRefs": [{"referenceLocator": f"pkg:pypi/{name}@{version}"}]}
                    for name, version in packages.items()
                    if version
                ]
            }
        }
    }  # fmt: skip


def test_an_image_that_holds_what_the_lock_says_is_right():
    assert differences(LOCK, image()) == []
    assert locked("a==1 \\\nb==2 ; sys_platform == 'win32' \\\n") == {"a": "1"}
    assert len(locked(LOCK)) > 20


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"click": "1.0"}, "click 1.0 is in the image, and the lock has"),
        ({"scapy": "2.7.0"}, "scapy 2.7.0 is in the image, and the lock has none"),
        ({"click": ""}, "click is locked, and not in the image"),
    ],
)
def test_an_image_that_holds_something_else_is_not(changed, words):
    (line,) = differences(LOCK, image(**changed))
    assert line.startswith(words)


def test_the_check_is_a_command_and_the_release_runs_it():
    command = [sys.executable, "-m", "tests.ci.sbom", "requirements.lock"]
    for changed, code in (({}, 0), ({"click": "1.0"}, 1)):
        answer = subprocess.run(
            command, cwd=ROOT, input=json.dumps(image(**changed)), text=True, capture_output=True, check=False
        )  # fmt: skip
        assert answer.returncode == code, answer.stderr
    release = (ROOT / ".github" / "workflows" / "image.yml").read_text()
    assert "python3 -m tests.ci.sbom requirements.lock" in release
