"""A few of the generated texts; `python -m tests.render.texts` has as many as you like."""

import pytest

from tests.render.texts import check


@pytest.mark.parametrize("hundred", range(3))
def test_only_marked_addresses_move_and_they_come_back(hundred: int):
    for seed in range(100 * hundred, 100 * hundred + 100):
        check(seed)
