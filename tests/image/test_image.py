"""The container image, built of the Dockerfile without an engine's daemon, as it is deployed.

As PID 1, not root, on a read-only root file system, with NET_RAW and no other capability.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gitops_prefix import version
from tests import netns
from tests.gitrepo import example, git
from tests.netns import run, until
from tests.parts import require

ROOT = Path(__file__).parents[2]
USER = 65532
pytestmark = pytest.mark.slow
STORAGE = {"BUILDAH_ISOLATION": "chroot"}
# The repository is the container's user's, and git asks as root.
ANYBODYS = ("-c", "safe.directory=*")
READ = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"
A, B = "2001:db8:a::/64", "2001:db8:b::/64"


def buildah(*words: str) -> str:
    return run("buildah", *words, env={**os.environ, **STORAGE}).stdout.strip()


@pytest.fixture(scope="module")
def image() -> str:
    """Built by `make image`'s own script; the base is made once, the layers are cached."""
    if "image" not in os.environ.get("GITOPS_PREFIX_REQUIRE", "").split(","):
        pytest.skip("takes minutes: `make image-test` runs it, with buildah, runc and mmdebstrap")
    require("image")
    tag = "localhost/gitops-prefix:test"
    environment = {**os.environ, **STORAGE}
    command = [str(ROOT / ".ci" / "image"), tag]
    subprocess.run(command, check=True, env=environment, timeout=1800, stdout=subprocess.DEVNULL)
    return tag


@pytest.fixture(scope="module")
def root(image) -> Iterator[Path]:
    """The image's root file system."""
    container = buildah("from", "--pull=never", image)
    try:
        yield Path(buildah("mount", container))
    finally:
        buildah("rm", container)


@pytest.fixture(scope="module")
def settings(image) -> dict[str, Any]:
    return json.loads(buildah("inspect", "--type", "image", image))["OCIv1"]["config"]


def specification(
    root: Path, settings: dict[str, Any], words: list[str], *, net: str = "", **mounts: Path
) -> dict[str, Any]:
    """A container as the shipped deployment has it (templates/common/gitops-prefix)."""
    capabilities = ["CAP_NET_RAW"]
    namespaces = [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")]
    namespaces.append({"type": "network", **({"path": net} if net else {})})
    return {
        "ociVersion": "1.0.2",
        "root": {"path": str(root), "readonly": True},
        "process": {
            "user": {"uid": USER, "gid": USER},
            "args": [*settings["Entrypoint"], *words],
            "env": settings["Env"],
            "cwd": settings["WorkingDir"],
            # No ambient set: a file capability has to give what an ordinary user needs.
            "capabilities": dict.fromkeys(("bounding", "permitted", "effective"), capabilities),
            "noNewPrivileges": False,
        },
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": ["mode=1777"]},
            {
                "destination": "/var/lib/gitops-prefix",
                "type": "tmpfs",
                "source": "tmpfs",
                "options": [f"uid={USER}", f"gid={USER}", "mode=700"],
            },
            *(
                {
                    "destination": f"/mnt/{name}",
                    "type": "bind",
                    "source": str(source),
                    "options": ["rbind"],
                }
                for name, source in mounts.items()
            ),
        ],
        "linux": {"namespaces": namespaces},
    }


def name_of(bundle: Path) -> str:
    return f"gitops-prefix-{os.getpid()}-{bundle.name}"


@contextmanager
def container(bundle: Path, config: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """One container of runc, ended with everything in it."""
    bundle.mkdir()
    (bundle / "config.json").write_text(json.dumps(config))
    name = name_of(bundle)
    with ExitStack() as stack:
        log = stack.enter_context((bundle / "log").open("w"))
        process = subprocess.Popen(
            ["runc", "run", "--bundle", str(bundle), name], stdout=log, stderr=log, text=True
        )
        stack.callback(_stop, process, name)
        yield process


def _stop(process: subprocess.Popen[str], name: str) -> None:
    subprocess.run(["runc", "kill", name, "TERM"], check=False, capture_output=True)
    with suppress(subprocess.TimeoutExpired):
        process.wait(120)
    # It may not have begun when it was asked to end.
    subprocess.run(["runc", "delete", "--force", name], check=False, capture_output=True)
    process.wait(120)


def ended(bundle: Path, config: dict[str, Any]) -> tuple[int, str]:
    """A container that ends by itself: its exit code, and what it wrote."""
    with container(bundle, config) as process:
        code = process.wait(120)
    return code, (bundle / "log").read_text()


def test_the_image_is_of_this_commit_and_without_root(root, settings, tmp_path):
    assert settings["User"] == f"{USER}:{USER}"
    code, log = ended(tmp_path / "bundle", specification(root, settings, ["--version"]))
    assert (code, log) == (0, f"gitops-prefix {version()}\n")


def test_the_image_publishes_a_renumbering(root, settings, tmp_path):
    """Two prefixes of a real router: two commits on the branch. SIGTERM ends PID 1 with 0."""
    require("netns", "radvd")
    remote = example("plain", tmp_path)
    for path in (remote, *remote.rglob("*")):
        os.chown(path, USER, USER)
    words = ["run", "--repo", "/mnt/remote", "--listen", "127.0.0.1:8080"]
    bundle = tmp_path / "bundle"
    with netns.lab() as lab:
        net = f"/run/netns/{lab.node.name}"
        config = specification(root, settings, words, net=net, remote=remote)
        router = netns.Radvd(lab, tmp_path)
        with router.advertising(A), container(bundle, config) as process:
            until(lambda: A in _status(remote), "the first prefix", 120)
            router.advertise(B)
            until(lambda: B in _status(remote), "the second prefix", 120)
            inside = run("runc", "exec", name_of(bundle), "cat", "/proc/1/status").stdout
            page = lab.node.run(sys.executable, "-c", READ, "http://127.0.0.1:8080/").stdout
        assert process.returncode == 0, (bundle / "log").read_text()
    fields = dict(line.split(":", 1) for line in inside.splitlines() if ":" in line)
    assert set(fields["Uid"].split()) == {str(USER)}
    assert int(fields["CapEff"], 16) == 1 << 13, "NET_RAW, and nothing else"
    assert int(fields["CapBnd"], 16) == 1 << 13
    assert 'class="card state good"' in page
    subjects = git(remote, *ANYBODYS, "log", "--format=%s", "main").splitlines()
    assert subjects[:2] == [f"prefix(home-ipv6): {A} -> {B}", f"prefix(home-ipv6): {A}"]


def _status(remote: Path) -> str:
    found = [
        line
        for line in git(remote, *ANYBODYS, "show", "main:prefix.yaml").splitlines()
        if "currentPrefix" in line
    ]
    return found[0] if found else ""
