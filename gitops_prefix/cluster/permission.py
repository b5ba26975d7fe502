"""PURE: the RBAC rule that is missing, ready to be pasted."""

from gitops_prefix.cluster.connection import Served


def missing_rule(served: Served, words: str, *verbs: str) -> str:
    """What to say to somebody whom the API server forbids something.

    Args:
        served: the kind.
        words: the server's own.
        verbs: that are needed; those of direct apply, when none is named.
    """
    needed = ", ".join(f'"{one}"' for one in verbs or ("get", "patch"))
    role = "ClusterRole" if not served.namespaced else "ClusterRole, or a Role of its namespace"
    return (
        f"forbidden ({words}); the {role} needs this rule: "
        f'{{apiGroups: ["{served.group}"], resources: ["{served.plural}"], verbs: [{needed}]}}'
    )
