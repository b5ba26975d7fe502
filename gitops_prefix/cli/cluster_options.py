"""The options that say which cluster, for every command that talks to one."""

from pathlib import Path

from gitops_prefix.apply.child import ClusterAccess
from gitops_prefix.cli.option_group import option_group
from gitops_prefix.cli.options import file_option, option
from gitops_prefix.errors import InputError, Problem


def make_cluster_access(*, kubeconfig: Path | None, context: str) -> ClusterAccess:
    """What the options come to.

    Raises:
        InputError: a kubeconfig that is not there; the daemon would find out in an outage.
    """
    if kubeconfig is not None and not kubeconfig.is_file():
        message = f"--kubeconfig {kubeconfig}: there is no such file"
        raise InputError(Problem("invalid-kubeconfig", message))
    return ClusterAccess(str(kubeconfig or ""), context)


cluster_options = option_group(
    "cluster",
    make_cluster_access,
    file_option("--kubeconfig", "The cluster. [default: the pod's account, or kubectl's]"),
    option("--context", default="", metavar="NAME", help="Of the kubeconfig."),
)
