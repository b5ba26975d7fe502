"""The real parts a test may need: present, or a skip that says what to install.

On CI the environment GITOPS_PREFIX_REQUIRE lists parts (comma separated); one of
those that is missing fails the test, so that no test passes for want of its subject.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


def _runs(*command: str) -> bool:
    try:
        return (
            subprocess.run(command, capture_output=True, check=False, timeout=120).returncode == 0
        )
    except OSError:
        return False


def _has(program: str) -> Callable[[], bool]:
    # sbin holds daemons and is not on every PATH.
    search = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return lambda: shutil.which(program, path=search) is not None


def _netns() -> bool:
    return os.geteuid() == 0 and _has("ip")() and _runs("unshare", "--net", "true")


def _vlan() -> bool:
    make = "ip link add v0 type veth peer name v1 && ip link add link v0 name v0.1 type vlan id 1"
    return _netns() and _runs("unshare", "--net", "sh", "-c", make)


def _assets() -> bool:
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    programs = ("kube-apiserver", "etcd", "kubectl")
    return bool(folder) and all(os.access(Path(folder) / name, os.X_OK) for name in programs)


def _neighbour(*names: str) -> tuple[Callable[[], bool], str]:
    folder = Path(os.environ.get("NEIGHBOURS", "/nowhere"))
    words = " ".join(names)
    remedy = f"NEIGHBOURS, as `.ci/neighbours {words}` prints it, and KUBEBUILDER_ASSETS"
    return lambda: _assets() and all(os.access(folder / name, os.X_OK) for name in names), remedy


PARTS: dict[str, tuple[Callable[[], bool], str]] = {
    "netns": (
        _netns,
        "root and iproute2 (apt install iproute2), in a kernel with network namespaces",
    ),
    "tmpfs": (
        lambda: (
            os.geteuid() == 0 and _runs("unshare", "--mount", "mount", "-t", "tmpfs", "t", "/mnt")
        ),
        "root, who may mount a tmpfs",
    ),
    "vlan": (_vlan, "root, iproute2, and the kernel's 8021q"),
    "radvd": (_has("radvd"), "apt install radvd"),
    "dnsmasq": (_has("dnsmasq"), "apt install dnsmasq-base"),
    "dhcpd": (_has("dhcpd"), "apt install isc-dhcp-server"),
    "kea": (_has("kea-dhcp6"), "apt install kea-dhcp6-server"),
    "dhcp6c": (_has("dhcp6c"), "apt install wide-dhcpv6-client"),
    "rdisc6": (_has("rdisc6"), "apt install ndisc6"),
    "tshark": (_has("tshark"), "apt install tshark"),
    "ssh": (_has("sshd"), "apt install openssh-server"),
    "ssh-keygen": (_has("ssh-keygen"), "apt install openssh-client"),
    "curl": (_has("curl"), "apt install curl"),
    "http": (
        lambda: (
            _has("nginx")()
            and _has("fcgiwrap")()
            and Path("/usr/lib/git-core/git-http-backend").exists()
        ),
        "apt install nginx-light fcgiwrap git",
    ),
    "kubectl": (
        lambda: _has("kubectl")() or _has("kustomize")(),
        "kubectl 1.28 or later, or kustomize 5, on PATH",
    ),
    "helm": (_has("helm"), "go install helm.sh/helm/v3/cmd/helm@v3.19.0"),
    "promtool": (_has("promtool"), "apt install prometheus"),
    "strace": (_has("strace"), "apt install strace"),
    "systemd": (_has("systemd-analyze"), "apt install systemd"),
    "chromium": (_has("chromium"), "apt install chromium"),
    "gpg": (_has("gpg"), "apt install gnupg"),
    "cluster": (
        _assets,
        "KUBEBUILDER_ASSETS: a folder with kube-apiserver, etcd and kubectl (.ci/kubernetes makes one)",
    ),
    "bind": (lambda: _has("named")() and _has("dig")(), "apt install bind9 bind9-dnsutils"),
    "redis": (_has("redis-server"), "apt install redis-server"),
    "sops": (
        lambda: os.access(Path(os.environ.get("NEIGHBOURS", "/nowhere")) / "sops", os.X_OK),
        "NEIGHBOURS, as `.ci/neighbours sops` prints it",
    ),
    "npm-yaml": (
        lambda: (
            _has("node")()
            and (Path(os.environ.get("NEIGHBOURS", "/nowhere")) / "npm-yaml").is_dir()
        ),
        "Node, and NEIGHBOURS, as `.ci/neighbours npm-yaml` prints it",
    ),
    "lbipam": _neighbour("lbipam"),
    "metallb": _neighbour("metallb"),
    "external-dns": _neighbour("external-dns"),
    "flux": _neighbour("source-controller", "kustomize-controller"),
    "receiver": _neighbour("notification-controller"),
    "argocd": _neighbour("argocd"),
    "every-scenario": (
        lambda: bool(os.environ.get("EVERY_SCENARIO")),
        "EVERY_SCENARIO=1, as `make neighbours` sets it: the longer scenarios beside reconcilers",
    ),
    "pre-commit": (_has("pre-commit"), "pip install pre-commit"),
    "image": (
        lambda: (
            os.geteuid() == 0 and all(_has(name)() for name in ("buildah", "runc", "mmdebstrap"))
        ),
        "root, and apt install buildah runc mmdebstrap",
    ),
    "shared": (
        (Path(__file__).parents[2] / "shared" / "ra-corpus").is_dir,
        "the project's shared data beside the checkout",
    ),
}


def require(*names: str) -> None:
    """Skip unless every named part is here; fail instead where CI requires it."""
    required = set(filter(None, os.environ.get("GITOPS_PREFIX_REQUIRE", "").split(",")))
    for name in names:
        present, remedy = PARTS[name]
        if present():
            continue
        if name in required:
            pytest.fail(f"{name} is required here and missing: {remedy}")
        pytest.skip(f"needs {name}: {remedy}")
