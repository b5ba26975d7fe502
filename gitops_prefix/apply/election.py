"""PURE: one leader among several daemons, by a Lease: who may write it, and who leads.

The rules are client-go's (tools/leaderelection), which every controller of a cluster follows.
The clocks of two machines are never compared: a record counts as alive for its duration
from when *we* saw it change, by a clock that only goes forward. A leader that could not
renew stops at its deadline, which is earlier than anybody's view of its record can end.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum

JITTER = 1.2
"""client-go's: a try comes at most this many times later, so that two do not stay in step."""


@dataclass(frozen=True, slots=True)
class LeaseName:
    """Where the Lease is.

    Attributes:
        namespace: empty for the one that we run in.
    """

    name: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Durations:
    """In seconds; client-go's defaults.

    Attributes:
        lease: how long the others wait for a leader that says nothing.
        renew: how long a leader leads after its last renewal.
        retry: the time between two tries.
    """

    lease: float = 15.0
    renew: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        """Refuse what would let two lead at once.

        Raises:
            ValueError: they are not in order.
        """
        # client-go: two tries, jitter included, must fit before the deadline.
        if not (self.retry > 0 and JITTER * self.retry < self.renew < self.lease):
            raise ValueError(
                f"the lease ({self.lease:g} s) must be longer than the renewal deadline "
                f"({self.renew:g} s), and that longer than {JITTER:g} times the time between "
                f"tries ({self.retry:g} s)"
            )


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """What a Lease says (coordination.k8s.io/v1, LeaseSpec).

    Attributes:
        holder: an identity; empty when it was given up.
        seconds: how long it is alive after a renewal.
        acquired: when the holder got it, as text, by the holder's clock: it says nothing to us.
        renewed: likewise.
        transitions: how often it went from one to another.
        unfit: the holder cannot do a leader's work, and leads because nobody else did.
        wanted_by: a candidate that can, and that asks an unfit holder for the lead.
    """

    holder: str
    seconds: float
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0
    unfit: bool = False
    wanted_by: str = ""


class LeaseStep(Enum):
    """What a candidate does with the record that it sees."""

    CREATE = "create"
    TAKE = "take"
    RENEW = "renew"
    ASK = "ask"
    RELEASE = "release"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Election:
    """What one candidate knows.

    Attributes:
        identity: ours, and nobody else's.
        fit: whether we can do a leader's work now. Who cannot gives the Lease up, and takes
            it again only if nobody else does for one of its durations. Who leads in this way
            says so in the Lease, and gives it up when a candidate asks that can.
        record: as it was last seen; None when there was no Lease.
        version: the resourceVersion of what was seen.
        changed_at: when we saw the record become what it is.
        renewed_at: when the last write of ours that succeeded began; None: we do not lead.
    """

    identity: str
    durations: Durations = Durations()
    fit: bool = True
    record: LeaseRecord | None = None
    version: str = ""
    changed_at: float = 0.0
    renewed_at: float | None = None

    def see(self, record: LeaseRecord | None, version: str, now: float) -> "Election":
        """The Lease as it is read at `now`; somebody else's name in it ends our lead."""
        changed_at = self.changed_at if record == self.record else now
        ours = record is not None and record.holder == self.identity
        renewed_at = self.renewed_at if ours else None
        return replace(
            self, record=record, version=version, changed_at=changed_at, renewed_at=renewed_at
        )

    def step(self, now: float) -> LeaseStep:
        """What to do with the record that was seen."""
        record = self.record
        patience = 0.0 if self.fit else self.durations.lease
        if record is None:
            return LeaseStep.CREATE if now >= self.changed_at + patience else LeaseStep.WAIT
        if record.holder == self.identity:
            stays = self.fit or (record.unfit and not record.wanted_by)
            return LeaseStep.RENEW if stays else LeaseStep.RELEASE
        alive = record.seconds if record.holder else 0.0
        if now >= self.changed_at + alive + patience:
            return LeaseStep.TAKE
        asks = self.fit and record.unfit and not record.wanted_by
        return LeaseStep.ASK if asks else LeaseStep.WAIT

    def claim(self, calendar: datetime) -> LeaseRecord:
        """The record to write for CREATE, TAKE and RENEW."""
        before, time, seconds = self.record, micro_time(calendar), self.durations.lease
        unfit = not self.fit
        if before is not None and before.holder == self.identity:
            return replace(before, seconds=seconds, renewed=time, unfit=unfit, wanted_by="")
        transitions = before.transitions + 1 if before is not None else 0
        return LeaseRecord(self.identity, seconds, time, time, transitions, unfit)

    def request(self) -> LeaseRecord:
        """The record to write for ASK: the holder's own, with our name as who wants it."""
        return replace(self.record or LeaseRecord("", 0.0), wanted_by=self.identity)

    def release(self, calendar: datetime) -> LeaseRecord:
        """The record that lets the next candidate in at once."""
        transitions = self.record.transitions if self.record else 0
        return LeaseRecord("", 1.0, micro_time(calendar), micro_time(calendar), transitions)

    def wrote(self, record: LeaseRecord, version: str, began: float) -> "Election":
        """Our write succeeded; it counts from when it began, not from when it was answered."""
        ours = record.holder == self.identity
        return replace(
            self,
            record=record,
            version=version,
            changed_at=began,
            renewed_at=began if ours else None,
        )

    @property
    def leads_until(self) -> float | None:
        """When our lead ends without a further renewal; None when we do not lead."""
        return None if self.renewed_at is None else self.renewed_at + self.durations.renew

    def leads(self, now: float) -> bool:
        """Whether we may act as the leader."""
        return self.leads_until is not None and now < self.leads_until


def micro_time(calendar: datetime) -> str:
    """A time as the API's MicroTime has it."""
    return calendar.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
