"""The watcher and its sources: the contract, with a source that needs no link and no privilege."""

import queue
import socket
import threading
import time
from contextlib import contextmanager, suppress
from math import inf

import pytest

from gitops_prefix.plan.ears import LinkChanged
from gitops_prefix.watch.watcher import Flooded, Solicit, Watcher

FOR_EVER = 10.0**12
"""Seconds: a lease that lasts longer than any timer of the kernel's."""


class Source:
    """Reports what is written to `writer`, and each moment that is due."""

    def __init__(self, *interfaces: str) -> None:
        self.interfaces = interfaces
        self.reader, self.writer = socket.socketpair()
        self.due = inf
        self.followed, self.taken = [], []

    def filenos(self):
        return [self.reader.fileno()]

    def next_at(self):
        return self.due

    def follow(self, link, now):
        self.followed.append(link)
        return [Flooded(now)]

    def ready(self, now):
        if now >= self.due:
            self.due = inf
            yield Flooded(now)
        with suppress(BlockingIOError):
            while self.reader.recv(1, socket.MSG_DONTWAIT):
                yield Flooded(now)

    def take(self, request, now):
        self.taken.append(request)
        self.due = now

    def close(self):
        self.reader.close()
        self.writer.close()


@contextmanager
def running(*sources: Source):
    events = queue.SimpleQueue()
    watcher = Watcher(sources, events.put, clock=time.monotonic)
    thread = threading.Thread(target=watcher.run)
    thread.start()
    try:
        yield watcher, events
    finally:
        watcher.stop()
        thread.join(timeout=60)
        assert not thread.is_alive()


def test_what_a_source_reads_is_reported():
    source = Source()
    with running(source) as (_, events):
        source.writer.send(b"12")
        assert [type(events.get(timeout=60)) for _ in range(2)] == [Flooded, Flooded]


def test_a_request_reaches_every_source_and_what_is_due_is_done():
    first, second = Source(), Source()
    with running(first, second) as (watcher, events):
        watcher.request(Solicit("eth0"))
        assert [type(events.get(timeout=60)) for _ in range(2)] == [Flooded, Flooded]
    assert first.taken == second.taken == [Solicit("eth0")]


def test_a_link_is_reported_once_and_followed_by_every_source():
    first, second = Source("lo", "nosuchlink"), Source("lo")
    with running(first, second) as (_, events):
        seen = [events.get(timeout=60) for _ in range(6)]
        with pytest.raises(queue.Empty):
            events.get(timeout=0.2)
    links = {(event.interface, event.present) for event in seen if isinstance(event, LinkChanged)}
    assert links == {("lo", True), ("nosuchlink", False)}
    assert first.followed == second.followed
    assert {link.interface for link in first.followed} == {"lo", "nosuchlink"}


def test_a_moment_in_the_far_future_is_waited_for():
    source = Source()
    source.due = FOR_EVER
    with running(source) as (_, events):
        source.writer.send(b"1")
        assert isinstance(events.get(timeout=60), Flooded)


def test_a_watcher_that_is_stopped_before_it_runs_closes_its_sources():
    source = Source()
    watcher = Watcher([source], print, clock=time.monotonic)
    watcher.stop()
    watcher.run()
    assert source.reader.fileno() == -1
