"""A process as the kubelet starts it: the account's files in a mount namespace of its own.

It needs root, or the right to make namespaces: `require("netns")`.
"""

import subprocess
from collections.abc import Mapping
from typing import Any

from tests.apiserver import ApiServer

ENTER = """\
mount -t tmpfs pod /run
mkdir -p /run/secrets/kubernetes.io
ln -s "$1" /run/secrets/kubernetes.io/serviceaccount
shift
exec "$@"
"""


def in_pod(
    cluster: ApiServer,
    files: str,
    *words: str,
    environment: Mapping[str, str],
    **options: Any,
) -> subprocess.Popen[Any]:
    """A command that finds the cluster and its account where the kubelet puts them.

    Args:
        cluster: the one around it.
        files: a directory with token, ca.crt and namespace.
        words: the command.
        environment: beside what the kubelet sets.
        options: of the process.
    """
    _, _, port = cluster.url.rpartition(":")
    where = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port}
    command = ["unshare", "--mount", "sh", "-c", ENTER, "sh", files, *words]
    return subprocess.Popen(command, env={**environment, **where}, **options)
