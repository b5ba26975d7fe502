"""A candidate for a Lease: reads it, and writes it as the rules of `election` say."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from gitops_prefix.cluster.connection import ApiError, Connection
from gitops_prefix.cluster.election import Election, Record, Step

_NOT_FOUND, _CONFLICT = 404, 409


@dataclass(frozen=True, slots=True)
class Place:
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


class Candidate:
    """Tries to get the Lease, and to keep it."""

    def __init__(
        self,
        connection: Connection,
        place: Place,
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
        if step is Step.WAIT:
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

    def _read(self) -> Record | None:
        try:
            lease = self.connection.request("get", self._place.path)
        except ApiError as error:
            if error.status == _NOT_FOUND:
                return None
            raise
        self._version = lease["metadata"]["resourceVersion"]
        spec = lease.get("spec") or {}
        return Record(
            spec.get("holderIdentity") or "",
            spec.get("leaseDurationSeconds") or 0,
            spec.get("acquireTime") or "",
            spec.get("renewTime") or "",
            spec.get("leaseTransitions") or 0,
        )

    def _write(self, step: Step) -> None:
        record, began = self.election.claim(self._calendar()), self._monotonic()
        document = self._document(record, new=step is Step.CREATE)
        try:
            if step is Step.CREATE:
                lease = self.connection.request("post", self._place.collection, body=document)
            else:
                lease = self.connection.request("put", self._place.path, body=document)
        except ApiError as error:
            if error.status == _CONFLICT:
                return  # Another one was faster; the next read says who.
            raise
        self._version = lease["metadata"]["resourceVersion"]
        self.election = self.election.wrote(record, began)

    def _document(self, record: Record, *, new: bool = False) -> dict[str, object]:
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
