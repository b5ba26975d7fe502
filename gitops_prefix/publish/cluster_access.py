"""Which cluster, and who we are to it: for the child processes that talk to it."""

from dataclasses import dataclass


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
