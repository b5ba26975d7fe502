"""A bad day of three daemons, in short: no object goes back to an older prefix, and all ends well.

`python -m tests.apply.three_daemons` runs for 30 minutes.
"""

from tests.apply.three_daemons import bad_day, hand_over


def test_no_object_ever_goes_back_to_an_older_prefix(cluster, namespace, tmp_path):
    day = bad_day(cluster, tmp_path, namespace, 12.0, "suite", objects=3, pause=1.5)
    assert day.prefix > 1 and set(day.highest.values()) == {day.prefix}


def test_who_comes_next_ends_the_outage_well(cluster, namespace, tmp_path):
    """Every stage and way is tried by `python -m tests.apply.three_daemons 0`."""
    hand_over(cluster, tmp_path, namespace, "between push and reconciler", "SIGKILL")
