"""`--interface` stands for the links that the repository names."""

import time

import pytest

from gitops_prefix.cli.rehearsal import ROUTER, advertisement
from gitops_prefix.daemon.listening import interfaces_of
from gitops_prefix.daemon.loop import Loop
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.daemon.publication import Publication, Result
from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.publish.repository import Repository
from gitops_prefix.watch.codec import decode
from gitops_prefix.watch.watcher import Advertised
from tests.gitrepo import example

A = Prefix.parse("2001:db8:a::/64")
CASES = {
    "the link that the repository names": ("", "eth0", True),
    "another link": ("", "br0", False),
    "the link that was given instead": ("br0", "br0", True),
    "the named link, when another was given": ("br0", "eth0", False),
}


@pytest.mark.parametrize(("given", "heard_on", "counts"), CASES.values(), ids=CASES)
def test_only_what_is_heard_on_the_link_counts(tmp_path, given, heard_on, counts):
    """examples/plain names eth0."""
    repository = Repository(tmp_path / "clone", str(example("plain", tmp_path)), "main")
    repository.open()
    try:
        loop = Loop(Publication(repository), Metrics(), interface=given)
        loop.run_once()
        assert interfaces_of(loop.watched) == {given or "eth0"}
        said = decode(advertisement([A]), source=ROUTER, hop_limit=255)
        router = Router(heard_on, "fe80::1")
        loop.decisions.take(Advertised(router, said, time.monotonic(), repeated=False))
        expected = Result.PUBLISHED if counts else Result.UNCHANGED
        assert loop.run_once().result is expected
    finally:
        repository.close()
