"""What real networks did, by the public thread that reports it: each has the right outcome.

RFC and vendor defaults are the lifetimes: radvd 4 h / 24 h, RFC 4861 7 d / 30 d.
"""

from itertools import groupby

import pytest

from gitops_prefix.decide.selection import Selection
from tests.decide.routers_saying import (
    Look,
    Walker,
)
from tests.decide.threads import THREADS


@pytest.mark.parametrize("thread", THREADS.values(), ids=THREADS)
def test_the_right_prefix_is_current(thread):
    walker = Walker(thread.specification, Selection(thread.known))
    walker.answers = dict(thread.answers)
    for event in sorted(thread.said, key=lambda said: said.at):
        walker.take(event)
    last = walker.take(Look(thread.until))

    currents = [prefix for prefix, _ in groupby(found.current for found in walker.decisions)]
    assert tuple(filter(None, currents))[1:] == thread.changes
    assert last.standing is thread.standing
