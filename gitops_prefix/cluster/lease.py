"""The process that holds the Lease: `python -m gitops_prefix.cluster.lease`.

One JSON object a line on stdout: `{"until": SECONDS, "holder": IDENTITY}`, where `until` is
when our lead ends unless it is renewed, by CLOCK_MONOTONIC, or null when we do not lead;
and `{"error": WORDS}` when what the server says changes. SIGTERM, or the end of stdin (the
daemon is gone), gives the Lease up.
"""

import contextlib
import json
import os
import platform
import secrets
import select
import signal
import sys
import time  # noqa: TID251  a process of its own, which begins here
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from gitops_prefix.cluster.candidate import Candidate, Place
from gitops_prefix.cluster.connection import Connection
from gitops_prefix.cluster.election import Durations, Election
from gitops_prefix.errors import GitopsPrefixError, OutsideError

_JITTER = 0.2
_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def main() -> int:
    """Hold the Lease until SIGTERM, or until the daemon is gone."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Ctrl-C reaches the whole group; the daemon tells us when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    durations = Durations(options.lease, options.renew, options.retry)
    # client-go's: a request that takes longer would miss the next try.
    seconds = max(1.0, options.renew / 2)

    def connect() -> Connection:
        return Connection(options.kubeconfig, options.context, seconds=(seconds, seconds))

    try:
        connection = connect()
    except GitopsPrefixError as error:
        _say(error=str(error))
        return 3
    candidate = Candidate(
        connection,
        Place(options.namespace or own_namespace(), options.name),
        Election(f"{platform.node()}_{secrets.token_hex(8)}", durations),
        time.monotonic,
        lambda: datetime.now(UTC),  # noqa: TID251  likewise
    )
    try:
        _hold(candidate, connect, options.retry, secrets.SystemRandom().random)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        # A Lease that somebody else wrote, and is none.
        _say(error=f"{type(error).__name__}: {error}")
        return 3
    finally:
        with contextlib.suppress(OutsideError, BrokenPipeError):
            candidate.release()
    return 0


def _hold(
    candidate: Candidate,
    connect: Callable[[], Connection],
    retry: float,
    chance: Callable[[], float],
) -> None:
    words, pause = "", 0.0
    while not _parent_is_gone(pause):
        # client-go's jitter: who began together does not try together for ever.
        pause = retry * (1 + _JITTER * chance())
        try:
            candidate.try_once()
            found = ""
        except OutsideError as error:
            found = str(error)
            # A token's file may hold another one by now.
            with contextlib.suppress(GitopsPrefixError):
                candidate.connection = connect()
        if found and found != words:
            _say(error=found)
        words = found
        election = candidate.election
        record = election.record
        _say(until=election.leads_until, holder=record.holder if record else "")


def own_namespace() -> str:
    """The namespace of the pod that we run in, else `default`."""
    with contextlib.suppress(OSError):
        return _OWN_NAMESPACE.read_text().strip()
    return "default"


def _parent_is_gone(seconds: float) -> bool:
    """Wait so long; the end of stdin ends it."""
    ready, _, _ = select.select([sys.stdin.fileno()], [], [], seconds)
    return bool(ready) and not os.read(sys.stdin.fileno(), 4096)


def _say(**words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def _options() -> Namespace:
    parser = ArgumentParser(prog="gitops_prefix.cluster.lease")
    for name in ("name", "namespace", "kubeconfig", "context"):
        parser.add_argument(f"--{name}", default="")
    for name in ("lease", "renew", "retry"):
        parser.add_argument(f"--{name}", type=float, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
