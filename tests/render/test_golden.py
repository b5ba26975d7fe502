"""Golden directories: before, the prefixes that come one after another, and after.

tests/golden/render/CASE holds `before/` and `after/`, or `problems` where nothing may be
rendered; a file that `after/` lacks must stay as it is. Without a DynamicPrefix of its
own a case gets the one of tests/render/repository.py, in mode ha where Services are.
"""

from pathlib import Path

import pytest

from gitops_prefix.decide.prefix import Prefix
from tests.render.golden import CASES, RENDERED, read
from tests.render.repository import PREFIX, assert_held, render_once

HA = b"  transition: {mode: ha}\n"
REFUSED = [one for one in CASES if (one / "problems").is_file()]


def start(case: Path) -> dict[str, bytes]:
    files = read(case / "before")
    own = any(b"kind: DynamicPrefix" in content for content in files.values())
    mode = HA if any(b"Service" in content for content in files.values()) else b""
    return files if own else {"home-ipv6.yaml": PREFIX + mode} | files


@pytest.mark.parametrize("case", RENDERED, ids=[one.name for one in RENDERED])
def test_a_golden_case(case: Path):
    """Byte for byte; and rendering once more changes nothing."""
    files = start(case)
    prefixes = [Prefix.parse(line) for line in (case / "prefixes").read_text().split()]
    for hour, prefix in enumerate(prefixes):
        rendering = render_once(files, prefix, hour)
        assert not [str(one) for one in rendering.problems if one.severity == "error"]
        files |= rendering.files
        assert render_once(files, prefix, hour + 1).files == {}
    expected = read(case / "before") | read(case / "after")
    assert {name: files[name].decode() for name in expected} == {
        name: content.decode() for name, content in expected.items()
    }


@pytest.mark.parametrize("case", REFUSED, ids=[one.name for one in REFUSED])
def test_a_refused_case(case: Path):
    """Every line of `problems` is said, and nothing else; what is wrong is not touched."""
    files = start(case)
    rendering = render_once(files, Prefix.parse((case / "prefixes").read_text().strip()))
    assert_held(files, rendering)
    found = [f"{one.place} {one.severity} {one.code}" for one in rendering.problems]
    assert found == (case / "problems").read_text().splitlines()


def test_every_case_says_what_it_expects():
    """A directory with neither `after` nor `problems` would test nothing."""
    assert sorted(RENDERED + REFUSED) == CASES
    assert len(CASES) > 20
