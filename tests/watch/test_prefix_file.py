"""The source `file`: its format, what it opens, and when it looks."""

import os
import queue
import re
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.decide.advertisement import INFINITY
from gitops_prefix.plan.ears import Given
from gitops_prefix.watch.prefix_file import (
    MOST_BYTES,
    MOST_PREFIXES,
    POLL,
    FileSource,
    read_file,
    read_prefixes,
)
from gitops_prefix.watch.watcher import SourceFailed, Watcher

A, B = "2001:db8:aa00::/56", "2001:db8:bb00::/56"


def lifetimes(text: str) -> dict[str, tuple[int, int]]:
    return {
        str(found.prefix): (found.valid_lifetime, found.preferred_lifetime)
        for found in read_prefixes(text)
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (A, {A: (INFINITY, INFINITY)}),
        (f"{A}\n", {A: (INFINITY, INFINITY)}),
        (f"\r\n# the ISP\n  {A}\t600 # ours\n", {A: (600, 600)}),
        (f"{A} 600 60\n{B} infinity 0", {A: (600, 60), B: (INFINITY, 0)}),
        (f"{A} 0", {A: (0, 0)}),
    ],
)
def test_a_prefix_or_lines_with_lifetimes(text, found):
    assert lifetimes(text) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it holds no prefix"),
        ("# nothing\n", "it holds no prefix"),
        ("2001:db8::", "line 1: '2001:db8::' is not a prefix"),
        (f"{A}\n2001:db8::1/56", "line 2: '2001:db8::1/56' has bits set"),
        (f"{A} 60 600", "line 1: the preferred lifetime 600 is longer"),
        (f"{A} -1", 'line 1: "-1" is not a lifetime'),
        (f"{A} 1h", 'line 1: "1h" is not a lifetime'),
        (f"{A} 4294967296", 'line 1: "4294967296" is not a lifetime'),
        (f"{A} 1 1 1", "line 1: write PREFIX [valid [preferred]]"),
        (f"{A}\n{A} 60", f"line 2: {A} is there already"),
        ("192.0.2.0/24", "line 1: "),
        ("\n".join(f"2001:db8:{n:x}::/48" for n in range(MOST_PREFIXES + 1)), "more than"),
    ],
)
def test_one_wrong_line_refuses_the_file(text, reason):
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}"):
        read_prefixes(text)


words = st.one_of(
    st.sampled_from([A, B, "infinity", "0", "600", "#", "\n", " ", "/", "::/0", "\x00", "\x85"]),
    st.text(max_size=8),
)


@given(st.lists(words, max_size=12).map(" ".join))
def test_any_text_is_read_or_refused_with_a_reason(text):
    with suppress(ValueError):
        for found in read_prefixes(text):
            assert found.preferred_lifetime <= found.valid_lifetime <= INFINITY


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    (tmp_path / "outside").write_text(f"{B}\n")
    return tmp_path / "below"


def _link_out(directory: Path) -> Path:
    (directory / "link").symlink_to(directory.parent / "outside")
    return directory / "link"


def _directory_out(directory: Path) -> Path:
    (directory / "up").symlink_to(directory.parent)
    return directory / "up" / "outside"


def _pipe(directory: Path) -> Path:
    os.mkfifo(directory / "pipe")
    return directory / "pipe"


def _written(content: bytes):
    def write(directory: Path) -> Path:
        (directory / "file").write_bytes(content)
        return directory / "file"

    return write


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda directory: directory.parent / "outside", "it is not below --source-dir"),
        (lambda directory: directory, "it is not below --source-dir"),
        (_link_out, "it is not below --source-dir"),
        (_directory_out, "it is not below --source-dir"),
        (lambda directory: directory / "missing", "No such file or directory"),
        (lambda directory: directory / "missing" / "too", "No such file or directory"),
        (_pipe, "it is not a regular file"),
        (_written(b"#" * (MOST_BYTES + 1)), "it is longer than"),
        (_written("2001:db8::/56 …".encode()), "it holds more than ASCII"),
        (_written(b""), "it holds no prefix"),
    ],
)
def test_what_is_not_a_file_below_the_directory_is_refused(directory, make, reason):
    path = make(directory)
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}"):
        read_file(str(path), directory)


def test_without_a_directory_no_file_is_read(directory):
    with pytest.raises(ValueError, match="no --source-dir"):
        read_file(str(directory / "prefix"), None)


def test_a_link_that_stays_below_is_followed(directory):
    (directory / "real").write_text(f"{A}\n")
    (directory / "link").symlink_to("real")
    [found] = read_file(str(directory / "link"), directory).prefixes
    assert str(found.prefix) == A


class Told:
    """What a source reported, from a thread of its own."""

    def __init__(self, events: queue.SimpleQueue) -> None:
        self._events = events

    def next(self):
        return self._events.get(timeout=60)

    def prefixes(self) -> list[str]:
        event = self.next()
        assert isinstance(event, Given), event
        return [str(found.prefix) for found in event.prefixes]

    def event_of(self, path: Path) -> str:
        """What the next event of a file says: its prefix, or why it does not count."""
        while (event := self.next()).source.interface != str(path):
            pass
        return event.reason if isinstance(event, SourceFailed) else str(event.prefixes[0].prefix)

    def refused(self) -> str:
        event = self.next()
        assert isinstance(event, SourceFailed), event
        return event.reason


@contextmanager
def watching(path: Path, source_dir: Path | None, *others: Path):
    events = queue.SimpleQueue()
    source = FileSource(map(str, (path, *others)), source_dir, calendar=time.time)
    watcher = Watcher([source], events.put, clock=time.monotonic)
    thread = threading.Thread(target=watcher.run)
    thread.start()
    try:
        yield Told(events)
    finally:
        watcher.stop()
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_a_change_is_reported_written_in_place_or_by_another_name(directory):
    path = directory / "prefix"
    path.write_text(f"{A}\n")
    with watching(path, directory) as told:
        assert told.prefixes() == [A]
        path.write_text(f"{B}\n")
        assert told.prefixes() == [B]
        (directory / "new").write_text(f"{A} 600\n")
        (directory / "new").rename(path)
        assert told.prefixes() == [A]


def test_a_file_is_read_when_its_writer_has_closed_it(directory):
    path = directory / "prefix"
    path.write_text(f"{A}\n")
    with watching(path, directory) as told:
        assert told.prefixes() == [A]
        with path.open("w") as file:
            for character in f"{B}\n":
                file.write(character)
                file.flush()
        assert told.prefixes() == [B]


def test_a_wrong_file_is_reported_once_and_so_is_its_end(directory):
    path = directory / "prefix"
    path.write_text(f"{A}\n")
    with watching(path, directory) as told:
        assert told.prefixes() == [A]
        path.write_text("nonsense\n")
        assert told.refused().startswith("line 1: ")
        path.write_text("nonsense\n")
        path.unlink()
        assert told.refused() == "No such file or directory"
        path.write_text(f"{A}\n")
        assert told.prefixes() == [A]


def test_a_directory_that_comes_late_is_found(directory):
    path = directory / "late" / "prefix"
    with watching(path, directory) as told:
        assert told.refused() == "No such file or directory"
        path.parent.mkdir()
        path.write_text(f"{A}\n")
        assert told.prefixes() == [A]


def test_a_directory_that_is_made_anew_is_watched_again(directory):
    path = directory / "again" / "prefix"
    path.parent.mkdir()
    path.write_text(f"{A}\n")
    with watching(path, directory) as told:
        assert told.prefixes() == [A]
        path.parent.rename(directory / "old")
        assert told.refused() == "No such file or directory"
        path.parent.mkdir()
        path.write_text(f"{B}\n")
        assert told.prefixes() == [B]


def test_a_directory_above_that_is_renamed_and_made_anew_is_noticed(directory):
    source_dir = directory / "above" / "source"
    path, other = source_dir / "of" / "isp" / "prefix", source_dir / "of" / "other"
    path.parent.mkdir(parents=True)
    other.write_text(f"{B}\n")
    path.write_text(f"{A}\n")
    with watching(path, source_dir, other) as told:
        assert sorted(told.prefixes() + told.prefixes()) == [A, B]
        # One below --source-dir, and one above it.
        for above, prefix in ((1, B), (3, A)):
            path.parents[above].rename(directory / f"old {above}")
            path.parent.mkdir(parents=True)
            path.write_text(f"{prefix}\n")
            # It may be noticed before the file is there again.
            while told.event_of(path) != prefix:
                pass


def test_a_link_to_the_directory_of_all_files_that_is_moved_is_followed(directory):
    for name, prefix in (("first", A), ("second", B)):
        (directory / name).mkdir()
        (directory / name / "prefix").write_text(f"{prefix}\n")
    source_dir = directory / "source"
    source_dir.symlink_to("first")
    with watching(source_dir / "prefix", source_dir) as told:
        assert told.prefixes() == [A]
        (directory / "new").symlink_to("second")
        (directory / "new").rename(source_dir)
        assert told.prefixes() == [B]
        (directory / "second" / "prefix").write_text(f"{A}\n")
        assert told.prefixes() == [A]


def test_a_link_that_is_moved_as_a_config_map_does_is_followed(directory):
    for name, prefix in (("first", A), ("second", B)):
        (directory / name).mkdir()
        (directory / name / "prefix").write_text(f"{prefix}\n")
    (directory / "..data").symlink_to("first")
    (directory / "prefix").symlink_to("..data/prefix")
    with watching(directory / "prefix", directory) as told:
        assert told.prefixes() == [A]
        (directory / "..new").symlink_to("second")
        (directory / "..new").rename(directory / "..data")
        assert told.prefixes() == [B]


def test_without_a_directory_the_reason_is_reported_and_nothing_is_polled(directory):
    source = FileSource([str(directory / "prefix")], None, calendar=time.time)
    try:
        [refused] = source.ready(0.0)
        assert "--source-dir" in refused.reason
        assert source.next_at() > 10 * POLL
    finally:
        source.close()


def test_half_a_line_that_is_only_seen_waits_for_the_next_look(directory):
    path = directory / "prefix"
    path.write_text(A)
    source = FileSource([str(path)], directory, calendar=time.time)
    try:
        assert list(source.ready(0.0)) == []
        [given_] = source.ready(source.next_at())
        assert [str(found.prefix) for found in given_.prefixes] == [A]
    finally:
        source.close()


@contextmanager
def looking(path: Path):
    """A source whose looks the test makes itself: it returns what a look at some time finds."""
    source = FileSource([str(path)], path.parent, calendar=time.time)

    def look(now: float) -> list[list[str] | str]:
        return [
            [str(found.prefix) for found in event.prefixes]
            if isinstance(event, Given)
            else event.reason
            for event in source.ready(now)
        ]

    try:
        yield look
    finally:
        source.close()


@pytest.mark.parametrize(
    ("begun", "rest", "found"),
    [
        ("", f"{B}\n", [B]),
        (B[:-1], B[-1], [B]),
        (f"{B}\n", f"{A}\n", [B, A]),
        ("2001", "", "line 1: '2001' is not an IPv6 "),
    ],
)
def test_what_a_writer_began_waits_for_its_end_though_another_ended(directory, begun, rest, found):
    path = directory / "prefix"
    path.write_text(f"{A}\n")
    with looking(path) as look:
        assert look(0.0) == [[A]]
        path.unlink()
        with path.open("w") as file:
            file.write(begun)
            file.flush()
            assert look(1.0) == []
            file.write(rest)
        [event] = look(2.0)
        assert event[: len(found)] == found


def test_two_writers_that_empty_the_file_one_after_another_are_no_empty_file(directory):
    """Two looks in one moment find the same, and neither finds what was written."""
    path = directory / "prefix"
    path.write_text(f"{A}\n")
    with looking(path) as look:
        assert look(0.0) == [[A]]
        for moment in (1.0, 1.1):
            path.write_text(f"{B}\n")
            with path.open("w") as file:
                assert look(moment) == []
                file.write(f"{B}\n")
        assert look(1.2) == [[B]]


def test_what_a_writer_keeps_open_counts_when_two_looks_find_the_same(directory):
    path = directory / "prefix"
    path.write_text(f"{A}\n")
    with looking(path) as look, path.open("a") as file:
        assert look(0.0) == [[A]]
        file.write(f"{B}\n")
        file.flush()
        assert look(1.0) == []
        assert look(1.0 + POLL) == []
        assert look(1.0 + 2 * POLL) == [[A, B]]


@pytest.mark.parametrize(("text", "found"), [(f"{A}\n", [A]), ("none\n", "line 1: 'none' is not")])
def test_a_hard_link_counts_when_two_looks_find_it(directory, text, found):
    path = directory / "prefix"
    with looking(path) as look:
        assert look(0.0) == ["No such file or directory"]
        (directory / "other").write_text(text)
        path.hardlink_to(directory / "other")
        assert look(1.0) == []
        assert look(1.0 + POLL) == []
        [event] = look(1.0 + 2 * POLL)
        assert event[: len(found)] == found


def test_lifetimes_count_from_the_time_of_change(directory):
    path = directory / "prefix"
    path.write_text(f"{A} 600\n")
    os.utime(path, (1000, 1000))
    source = FileSource([str(path)], directory, calendar=lambda: 1100.0)
    try:
        [given_] = source.ready(50.0)
        assert (given_.since, given_.at) == (-50.0, 50.0)
    finally:
        source.close()
