"""Which cluster, and who we are to it: for the child processes that talk to it."""

from collections.abc import Mapping
from dataclasses import dataclass

_INHERITED = (
    "PATH",
    "HOME",
    "TMPDIR",
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "SSL_CERT_FILE",
)
"""What a child gets of our environment: no token of git's, no option of ours."""
_PROXY = ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
"""For the API server of a kubeconfig. A pod's own is behind none."""


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """A kubeconfig and its context.

    Attributes:
        kubeconfig: a file; empty for the pod's own account, or what kubectl would take.
        context: of the kubeconfig; empty for its current one.
    """

    kubeconfig: str = ""
    context: str = ""

    @property
    def words(self) -> list[str]:
        """The end of a child's command line."""
        return [f"--kubeconfig={self.kubeconfig}", f"--context={self.context}"]


def child_environment(ours: Mapping[str, str], access: ClusterAccess) -> dict[str, str]:
    """The environment of a process that talks to a cluster."""
    named = access.kubeconfig or access.context or ours.get("KUBECONFIG")
    in_pod = not named and bool(ours.get("KUBERNETES_SERVICE_HOST"))
    names = _INHERITED if in_pod else (*_INHERITED, *_PROXY)
    inherited = {name: ours[name] for name in names if name in ours}
    return {**inherited, "LC_ALL": "C.UTF-8"}
