"""The status page: what the daemon knows now, which Git does not say."""

import pytest

from gitops_prefix.daemon.page import Report, render_page
from gitops_prefix.decide.choice import Choice
from gitops_prefix.decide.selection import Decision, Selection, Standing

REPORT = Report("origin main", "0123456789abcdef", "published", (), {"home": None})


@pytest.mark.parametrize("standing", Standing)
def test_degraded_is_true_only_while_the_prefix_is_held(standing):
    """`maxChangesPerHour` holds it: a condition of the hour, which is not in Git."""
    page = render_page(REPORT, {"home": Decision(Selection(), Choice(None), standing)}).decode()
    held = standing is Standing.HELD
    assert f"<th>Degraded<td><code>{held}</code>" in page
    assert str(standing) in page


def test_what_comes_from_outside_cannot_write_html():
    report = Report("<b>main", "<i>", "<script>", ("<u>",), {"<home>": None})
    page = render_page(report, {}).decode()
    assert not any(tag in page for tag in ("<b>", "<i>", "<script>", "<u>", "<home>"))
