"""The chart's pod, as far as it goes without a kubelet: its command, variables and files, by the real daemon.

It publishes over a real sshd, its probes are asked as a kubelet would, and SIGTERM ends
it within its grace period.
"""

import signal
import subprocess
import sys
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

from tests.charts.rendering import rendered
from tests.git_servers import free_port, ssh_server
from tests.gitrepo import example, git
from tests.netns import end, until
from tests.static_source import A, fixed

MOUNTED = {"deploy-key": "ssh", "config": "config", "clone": "state"}
MESSAGE = "chore: {{ subject }}\n\n{{ body }}\n"


def container_of(objects):
    (workload,) = [one for one in objects if one["kind"] == "Deployment"]
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    return workload["spec"]["template"]["spec"], container


def mount(objects, server, directory):
    """Each volume as a directory; a path below its mount then leads there."""
    for name in MOUNTED.values():
        (directory / name).mkdir(parents=True)
    (directory / "ssh" / "identity").write_bytes(server.credentials.key.read_bytes())
    (directory / "ssh" / "identity").chmod(0o440)
    (config,) = [one for one in objects if one["kind"] == "ConfigMap"]
    for name, text in config["data"].items():
        (directory / "config" / name).write_text(text)
    _, container = container_of(objects)
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    environment = {}
    for one in container["env"]:
        text = one["value"]
        for volume, name in MOUNTED.items():
            text = text.replace(mounts[volume], str(directory / name), 1)
        environment[one["name"]] = text
    return environment


@contextmanager
def running(objects, environment, directory):
    """The container's command; the interpreter alone is ours."""
    _, container = container_of(objects)
    python, *words = container["command"]
    assert python == "python"
    log = directory / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, *words, *container["args"]],
            env={"PATH": "/usr/bin:/bin", **environment},
            cwd=directory,
            stdout=stream,
            stderr=stream,
        )
        try:
            yield process
        finally:
            end(process)


def answers(probe, port):
    try:
        with urlopen(f"http://127.0.0.1:{port}{probe['path']}", timeout=120) as answer:
            return answer.status == 200
    except URLError:
        return False


def test_the_pods_daemon_publishes_answers_its_probes_and_leaves(tmp_path):
    bare, tree = example("plain", tmp_path), tmp_path / "tree"
    fixed(tree, A)
    with ssh_server(tmp_path / "sshd") as server:
        known_hosts = server.credentials.known_hosts.read_text()
        objects = rendered(
            tmp_path,
            {
                "repo": server.url(bare),
                "source": "static",
                "auth": {"ssh": {"knownHosts": known_hosts}},
                "http": {"port": free_port()},
                "messageTemplate": MESSAGE,
                "options": {
                    "author-name": "The chart",
                    "exclude": ["none/of/this/*", "nor.this"],
                    "trailer": ["Signed-off-by: Bot <bot@example.com>"],
                    "skip-ci": True,
                },
            },
        )
        pod, container = container_of(objects)
        environment = mount(objects, server, tmp_path / "pod")
        with running(objects, environment, tmp_path) as process:
            (port,) = [one["containerPort"] for one in container["ports"]]
            probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness")]
            log = tmp_path / "log"

            def ready():
                assert process.poll() is None, log.read_text()
                return all(answers(probe, port) for probe in probes)

            until(ready, "both probes")
            until(
                lambda: git(bare, "log", "-1", "--format=%an", "main") == "The chart\n",
                "the commit",
            )
            process.send_signal(signal.SIGTERM)
            assert process.wait(pod["terminationGracePeriodSeconds"]) == 0
    message = git(bare, "log", "-1", "--format=%B", "main")
    assert message.startswith("chore: prefix(home-ipv6): ")
    assert "[skip ci]" in message.splitlines()[0]
    assert "Signed-off-by: Bot <bot@example.com>" in message
    assert "2001:db8:1234:0:f000::" in git(bare, "show", "main:network/pool.yaml")
