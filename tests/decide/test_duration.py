"""Durations are Go's, with days; a number without a unit is nobody's."""

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.fields import LONGEST, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("48h", timedelta(hours=48)),
        ("1m30s", timedelta(seconds=90)),
        ("0s", timedelta(0)),
        pytest.param("0", timedelta(0), id="zero needs no unit"),
        ("7d", timedelta(days=7)),
        ("1.5h", timedelta(minutes=90)),
        ("250ms", timedelta(milliseconds=250)),
        pytest.param("1h1h", timedelta(hours=2), id="parts add up, as in Go"),
        pytest.param("876600h", LONGEST, id="a century is the longest"),
    ],
)
def test_a_duration_is_the_sum_of_its_parts(text, duration):
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("48", id="no unit"),
        pytest.param("h", id="no number"),
        pytest.param("48 h", id="a blank between"),
        pytest.param(" 48h", id="a blank in front"),
        pytest.param("48h\n", id="a line break behind"),
        pytest.param("-1h", id="a negative one"),
        pytest.param("1w", id="a unit that Go has not"),
        pytest.param("1H", id="a unit in upper case"),
        pytest.param("1h-", id="something behind"),
        pytest.param(".5h", id="no digit in front of the point"),
        pytest.param("\u0664\u0668h", id="digits of another script"),
        pytest.param("PT48H", id="ISO 8601"),
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(
        ValueError, match='is not a duration: write a number and a unit, as in "48h"'
    ):
        parse_duration(text)


@pytest.mark.parametrize("text", ["876601h", "36526d", "9" * 400 + "h", "1" + "0" * 30 + "s"])
def test_what_no_date_could_bear_is_refused(text):
    with pytest.raises(ValueError, match="longer than any prefix lives"):
        parse_duration(text)


@given(st.integers(0, 800_000), st.integers(0, 59), st.integers(0, 59))
def test_what_go_prints_is_read(hours, minutes, seconds):
    assert parse_duration(f"{hours}h{minutes}m{seconds}s") == timedelta(
        hours=hours, minutes=minutes, seconds=seconds
    )


@given(st.text())
def test_any_text_is_a_duration_or_refused(text):
    with suppress(ValueError):
        assert timedelta(0) <= parse_duration(text) <= LONGEST


@given(st.integers(0, int(LONGEST.total_seconds())))
def test_what_is_written_reads_back(seconds):
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration
