"""`--request-reconcile KIND:NAMESPACE/NAME`: what it reads, and what it says of what it cannot."""

import pytest

from gitops_prefix.apply.ownership import parse_reconciled

READ = {
    "gitrepository:flux-system/flux-system": "GitRepository flux-system/flux-system",
    "kustomization:flux-system/network": "Kustomization flux-system/network",
    "application:argocd/network": "Application argocd/network",
    "GitRepository:flux-system/home.ops": "GitRepository flux-system/home.ops",
}


@pytest.mark.parametrize(("text", "said"), READ.items())
def test_what_is_read(text, said):
    assert str(parse_reconciled(text)) == said


NOT_READ = [
    "",
    "gitrepository",
    "gitrepository:flux-system",
    "gitrepository:flux-system/",
    "gitrepository:/flux-system",
    "gitrepository:a/b/c",
    "gitrepository:a/../b",
    "gitrepository:A/b",
    "gitrepository:a/b?x=y",
    "gitrepository:a.b/c",
    "gitrepository:a/%2e",
    "gitrepository:a/b\n",
    "gitrepo:a/b",
    "pod:a/b",
    ":a/b",
    "a/b",
]


@pytest.mark.parametrize("text", NOT_READ)
def test_what_could_lead_elsewhere_in_a_url_is_refused(text):
    with pytest.raises(ValueError, match="is not KIND:NAMESPACE/NAME: write"):
        parse_reconciled(text)


def test_what_is_nearly_right_is_named():
    with pytest.raises(ValueError, match='Did you mean "gitrepository"'):
        parse_reconciled("gitrepositry:a/b")
