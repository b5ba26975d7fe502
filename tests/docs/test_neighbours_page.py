"""docs/neighbours.md: each fact says how it is known, and the versions are those that run."""

import re

import pytest

from tests.gitrepo import ROOT

PAGE = (ROOT / "docs" / "neighbours.md").read_text()
MARK = re.compile(r"\*\((?:run|(?:seen|read): [^)]+)\)\*$")
FACTS = [
    " ".join(fact.split())
    for section in PAGE.split("\n## ")[1:]
    for fact in section.replace("\n- ", "\0- ").split("\0")[1:]
]
BUILT = {
    "external-dns": "external-dns",
    "metallb": "controller of MetalLB",
    "kustomize-controller": "kustomize-controller",
    "source-controller": "source-controller",
    "notification-controller": "notification-controller",
    "argocd": "Argo CD",
}


@pytest.mark.parametrize("fact", FACTS, ids=range(len(FACTS)))
def test_each_fact_says_how_it_is_known(fact):
    assert MARK.search(fact), fact


@pytest.mark.parametrize(("name", "words"), BUILT.items(), ids=BUILT)
def test_a_section_names_the_version_that_is_built(name, words):
    script = (ROOT / ".ci" / "neighbours").read_text()
    found = re.search(rf"(?:program={name}-|flux {name} )(\d+\.\d+\.\d+)", script)
    assert f"{words} {found[1]}" in PAGE


def test_the_version_of_lb_ipam_is_that_which_is_built():
    module = (ROOT / "tests" / "neighbours" / "lbipam" / "go.mod").read_text()
    version = re.search(r"github.com/cilium/cilium v(\S+)", module)[1]
    assert f"Cilium {version}." in PAGE
