"""A candidate for a Lease: reads it, and writes it as the rules of `election` say."""

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
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

from gitops_prefix.apply.election import Durations, Election, LeaseRecord, LeaseStep
from gitops_prefix.apply.kube import ApiError, Connection
from gitops_prefix.errors import GitopsPrefixError, OutsideError

_NOT_FOUND, _CONFLICT = 404, 409


@dataclass(frozen=True, slots=True)
class LeaseName:
    """Where the Lease is."""

    namespace: str
    name: str

    @property
    def collection(self) -> str:
        """The path of all Leases beside it."""
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"

    @property
    def path(self) -> str:
        """Its own path."""
        return f"{self.collection}/{self.name}"


class LeaseCandidate:
    """Tries to get the Lease, and to keep it."""

    def __init__(
        self,
        connection: Connection,
        place: LeaseName,
        election: Election,
        monotonic: Callable[[], float],
        calendar: Callable[[], datetime],
    ) -> None:
        self.connection, self._place = connection, place
        self._monotonic, self._calendar = monotonic, calendar
        self._version = ""
        self.election = election

    def try_once(self) -> None:
        """Read the Lease, and write it when it is free, or ours.

        Raises:
            OutsideError: the server refused, or did not answer; a lead that there is goes on
                until its deadline.
        """
        record = self._read()
        self.election = self.election.see(record, self._monotonic())
        step = self.election.step(self._monotonic())
        if step is LeaseStep.WAIT:
            return
        self._write(step)

    def release(self) -> None:
        """Give it up, if we lead; nobody has to wait then.

        Raises:
            OutsideError: the others wait for the record to age.
        """
        if not self.election.leads(self._monotonic()):
            return
        record = self.election.release(self._calendar())
        self.connection.request("put", self._place.path, body=self._document(record))

    def _read(self) -> LeaseRecord | None:
        try:
            lease = self.connection.request("get", self._place.path)
        except ApiError as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        self._version = lease["metadata"]["resourceVersion"]
        spec = lease.get("spec") or {}
        return LeaseRecord(
            spec.get("holderIdentity") or "",
            spec.get("leaseDurationSeconds") or 0,
            spec.get("acquireTime") or "",
            spec.get("renewTime") or "",
            spec.get("leaseTransitions") or 0,
        )

    def _write(self, step: LeaseStep) -> None:
        record, began = self.election.claim(self._calendar()), self._monotonic()
        document = self._document(record, new=step is LeaseStep.CREATE)
        try:
            if step is LeaseStep.CREATE:
                lease = self.connection.request("post", self._place.collection, body=document)
            else:
                lease = self.connection.request("put", self._place.path, body=document)
        except ApiError as error:
            if error.status == _CONFLICT:
                return  # Another one was faster; the next read says who.
            raise
        self._version = lease["metadata"]["resourceVersion"]
        self.election = self.election.wrote(record, began)

    def _document(self, record: LeaseRecord, *, new: bool = False) -> dict[str, object]:
        version = {} if new else {"resourceVersion": self._version}
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._place.name, "namespace": self._place.namespace, **version},
            "spec": {
                "holderIdentity": record.holder,
                # An integer in the API; rather longer than shorter: the others wait for it.
                "leaseDurationSeconds": ceil(record.seconds),
                "acquireTime": record.acquired,
                "renewTime": record.renewed,
                "leaseTransitions": record.transitions,
            },
        }


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
    candidate = LeaseCandidate(
        connection,
        LeaseName(options.namespace or own_namespace(), options.name),
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
    candidate: LeaseCandidate,
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
    parser = ArgumentParser(prog="gitops_prefix.apply.kube_lease")
    for name in ("name", "namespace", "kubeconfig", "context"):
        parser.add_argument(f"--{name}", default="")
    for name in ("lease", "renew", "retry"):
        parser.add_argument(f"--{name}", type=float, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
