"""What each stage of a publication measures: the git commands that its name says, and no repair."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gitops_prefix.publish.failure import FailedError, Published
from gitops_prefix.publish.stages import Stage
from tests.branch import MANAGED, bare_repository, commit_ours, opened
from tests.publish.failing import away


class Observed:
    """The git commands of each stage, by the debug log; those of no stage are under None."""

    def __init__(self, caplog) -> None:
        self._caplog = caplog
        self._caplog.set_level(logging.DEBUG, logger="gitops_prefix")
        self._seen = 0
        self.commands: dict[Stage | None, list[str]] = {}

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        self.take(None)
        try:
            yield
        finally:
            self.take(stage)

    def take(self, stage: Stage | None) -> None:
        lines, self._seen = self._caplog.messages[self._seen :], len(self._caplog.messages)
        words = [line.split()[1] for line in lines if line.startswith("git ")]
        self.commands.setdefault(stage, []).extend(word.rstrip(":") for word in words)


@pytest.fixture
def remote(tmp_path):
    return bare_repository(tmp_path, {"a.yaml": MANAGED})


def test_a_stage_is_what_its_name_says(tmp_path, remote, caplog):
    observed = Observed(caplog)
    with opened(tmp_path / "clone", remote) as repository:
        repository.stages.observe = observed.stage
        repository.fetch()
        repository.managed_files(repository.tip)
        commit = commit_ours(repository, {"a.yaml": MANAGED + b"new\n"})
        assert repository.push() == Published(commit)
    found = observed.commands
    assert found[Stage.LOOK] == ["ls-remote"]
    assert set(found[Stage.FETCH]) == {"fetch", "rev-list", "update-ref", "for-each-ref"}
    assert set(found[Stage.READ]) == {"--literal-pathspecs", "grep", "cat-file"}
    assert found[Stage.COMMIT] == ["--literal-pathspecs", "fast-import"]
    assert found[Stage.PUSH] == ["push"]
    assert found[Stage.CONFIRM] == ["ls-remote", "update-ref"]


def test_repairing_the_clone_is_no_part_of_a_stage(tmp_path, remote, caplog):
    """A fetch that failed took its time; looking why takes another."""
    observed = Observed(caplog)
    with opened(tmp_path / "clone", remote) as repository:
        repository.stages.observe = observed.stage
        repository.fetch()
        remote.rename(tmp_path / "away")
        with pytest.raises(FailedError, check=lambda error: not away(error)):
            repository.fetch()
        observed.take(None)
    assert "fsck" in observed.commands[None]
    staged = {word for stage, words in observed.commands.items() if stage for word in words}
    assert "fsck" not in staged
