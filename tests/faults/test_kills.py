"""SIGKILL, at every step of a publication and at random instants.

Afterwards the branch holds a whole change or none, nothing that was left behind stops the
next start, and in the end the history has every prefix once, in its order.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.conftest import Forge
from tests.faults.house import change, first, is_whole, subjects
from tests.faults.victim import Job, Victim, kill_tree, numbered, victim
from tests.gitrepo import git

# `make soak` kills more often.
KILLS = {"http": 100, "ssh": 50} if os.environ.get("SOAK") else {"http": 12, "ssh": 6}


@pytest.fixture(scope="module")
def prey() -> Iterator[Victim]:
    with victim() as process:
        yield process


def job(forge: Forge, tmp_path: Path, number: int, many: int = 1, **more: str) -> Job:
    secrets = {"token": str(tmp_path / "token")}
    if forge.url.startswith("ssh"):
        secrets = {"key": str(tmp_path / "key"), "known_hosts": str(tmp_path / "known_hosts")}
    clone, diary = str(tmp_path / "clone"), str(tmp_path / "diary")
    return Job(clone, forge.url, diary, number, many, **secrets, **more)


def history_is_complete(remote: Path, last: int) -> None:
    """Each prefix once, and each commit a whole change."""
    steps = [change(numbered(n), numbered(n + 1)) for n in reversed(range(last))]
    assert subjects(remote) == [*steps, first(numbered(0))]
    commits = git(remote, "log", "--format=%H", "main").split()
    assert [one for one in commits if not is_whole(remote, one)] == []
    git(remote, "fsck", "--strict")


SHIM = """#!/bin/sh
number=$(( $(cat {count}) + 1 ))
echo $number > {count}
if [ $number = "$(cat {at})" ]; then
  {before}kill -9 $PPID; exit 1
fi
exec {git} "$@"
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_every_step(tmp_path, http, prey, when):
    """Before each call of git, and after each: the next start brings the change, once."""
    count, at, shims = tmp_path / "count", tmp_path / "at", tmp_path / "shims"
    shims.mkdir()
    git_path = next(p for p in os.environ["PATH"].split(":") if (Path(p) / "git").exists())
    before = "" if when == "before" else f'{git_path}/git "$@"; '
    text = SHIM.format(count=count, at=at, git=f"{git_path}/git", before=before)
    (shims / "git").write_text(text)
    (shims / "git").chmod(0o755)
    at.write_text("0")
    number = 0
    for step in range(200):
        count.write_text("0")
        prey.start(job(http, tmp_path, number, path=str(shims)))
        status = prey.end()
        assert is_whole(http.remote)
        if step and status == 0:
            break
        if step:
            assert status == -signal.SIGKILL
            at.write_text("0")
            prey.start(job(http, tmp_path, number, path=str(shims)))
            assert prey.end() == 0
        at.write_text(f"{step + 1}")
        number += 1
    assert step > 6, "each call of git was a step"
    history_is_complete(http.remote, number)


@pytest.mark.parametrize("protocol", KILLS)
def test_killed_at_random_instants(tmp_path, protocol, prey, request):
    """Alone, as for its memory, or with all that it started, as a container ends."""
    forge = request.getfixturevalue(protocol)
    chance = random.Random(f"{protocol} 20261124")
    begin = time.monotonic()
    prey.start(job(forge, tmp_path, 0))
    assert prey.end() == 0
    whole = time.monotonic() - begin
    number, killed = 1, 0
    while killed < KILLS[protocol]:
        process_id = prey.start(job(forge, tmp_path, number, many=3))
        time.sleep(chance.uniform(0.0, whole))
        with suppress(ProcessLookupError):
            chance.choice([kill_tree, lambda one: os.kill(one, signal.SIGKILL)])(process_id)
        status = prey.end()
        killed += status == -signal.SIGKILL
        assert status in {0, -signal.SIGKILL}
        assert is_whole(forge.remote)
        diary = (tmp_path / "diary").read_text().splitlines()
        heard = max(int(line.split()[1]) for line in diary if line.startswith("hears"))
        # The link may say something new when it is back, and what was committed must be there.
        moves_on = f"commits {heard}" in diary and chance.random() < 0.5
        number = heard + 1 if moves_on or f"done {heard}" in diary else heard
    prey.start(job(forge, tmp_path, number))
    assert prey.end() == 0
    history_is_complete(forge.remote, number)
    left = [path for path in (tmp_path / "clone").rglob("*.lock") if path.parent.name != "clone"]
    assert left == []
