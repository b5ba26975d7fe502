"""Random values are rendered by helm and taken by a real API server, each as an upgrade of the last.

`python -m tests.charts.combinations` tries 100.
"""

import pytest

from tests.apiserver import ADMIN
from tests.charts.combinations import release, walk
from tests.charts.rendering import helm


def test_random_values_are_taken_and_upgraded_to_others(cluster, namespace, tmp_path):
    walk(cluster, tmp_path, namespace, 6, "suite")


CLAIM = {"repo": "ssh://git@git.example.com/home.git"}


def test_a_claim_grows_and_never_shrinks_or_changes_its_kind(cluster, namespace, tmp_path):
    """What the API server would refuse in the middle of an upgrade is refused before it, in words."""

    def claim(**persistence):
        return CLAIM | {"persistence": {"enabled": True} | persistence}

    release(cluster, tmp_path, namespace, claim(size="1Gi", storageClassName="slow"))
    # Without the class, it stays what it is.
    release(cluster, tmp_path, namespace, claim(size="1024Mi"))
    for persistence, words in (
        ({"size": "500Mi"}, "persistence.size: the claim home-gitops-prefix-clone has 1Gi"),
        ({"storageClassName": "fast"}, "persistence.storageClassName: the claim"),
        ({"accessModes": ["ReadWriteMany"]}, "persistence.accessModes: the claim"),
    ):
        with pytest.raises(AssertionError, match=words):
            release(cluster, tmp_path, namespace, claim(**persistence))


def test_a_claim_stays_when_the_release_goes_and_is_taken_up_again(cluster, namespace, tmp_path):
    values = CLAIM | {"persistence": {"enabled": True}}
    release(cluster, tmp_path, namespace, values)
    where = ("--namespace", namespace, "--kubeconfig", str(cluster.kubeconfig(ADMIN)))
    assert helm("uninstall", "home", *where).returncode == 0
    name = "home-gitops-prefix-clone"
    before = cluster.get("persistentvolumeclaim", name, namespace)["metadata"]
    assert "deletionTimestamp" not in before
    release(cluster, tmp_path, namespace, values)
    assert cluster.get("persistentvolumeclaim", name, namespace)["metadata"]["uid"] == before["uid"]
