"""Whether this daemon leads: a thread that renews the Lease through the child process.

The daemon itself asks for each renewal, and only while its loop turns: a daemon that is stopped
or hangs loses the lead within the Lease's duration. `election` has the rules. Both processes
read CLOCK_MONOTONIC.
"""

import logging
import platform
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from typing import Protocol

from gitops_prefix.apply.child import ClusterAccess, ClusterProcess
from gitops_prefix.apply.election import JITTER, Durations, Election, LeaseName, LeaseStep
from gitops_prefix.apply.protocol import ChildQuestion, ReleaseLease, TryLease
from gitops_prefix.errors import GitopsPrefixError

log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 3.0
"""How long giving the Lease up may take at the end."""
_CHANCE = secrets.SystemRandom().random


@dataclass(frozen=True, slots=True)
class Candidacy:
    """Which Lease, and how.

    Attributes:
        namespace: empty for the one that we run in.
        lease: how long the others wait for a leader that says nothing, in seconds.
        renew: how long a leader leads after its last renewal.
        retry: between two tries.
    """

    name: str = "gitops-prefix"
    namespace: str = ""
    lease: float = 15.0
    renew: float = 10.0
    retry: float = 2.0


class Alone:
    """Without a Lease: each daemon publishes, and a daemon that loses a race has nothing to do."""

    until = inf

    def start(self) -> None:
        """Nothing is asked for."""

    def leads(self) -> bool:
        """Always."""
        return True

    def who(self) -> str:
        """Nothing: there is no Lease."""
        return ""

    def stop(self) -> None:
        """There is nothing to give up."""


class LeaseHolder(Protocol):
    """What holds the Lease; `child.ClusterProcess` is the real one."""

    def ask(self, question: ChildQuestion[Election]) -> Election: ...  # noqa: D102

    def close(self) -> None: ...  # noqa: D102


class Leadership:
    """Renews the Lease, and knows until when we lead."""

    def __init__(  # noqa: PLR0913  all that it is joined to
        self,
        candidacy: Candidacy,
        process: LeaseHolder,
        clock: Callable[[], float],
        on_lead: Callable[[], None],
        *,
        on_lost: Callable[[], None] = lambda: None,
        end_writing: Callable[[], None] = lambda: None,
        turns: Callable[[], bool] = lambda: True,
        fit: Callable[[], bool] = lambda: True,
        chance: Callable[[], float] = _CHANCE,
    ) -> None:
        """Hold nothing yet; `start` does.

        Args:
            candidacy: which Lease.
            process: talks to the API server; it is closed with us.
            clock: the monotonic one, which the child reads too.
            on_lead: called in a thread when we begin to lead.
            on_lost: called in that thread when we do not lead any more.
            end_writing: called before we give the Lease up: another may lead right after it.
            turns: whether the loop turns; while it does not, the Lease is given up.
            fit: whether we can do a leader's work; who cannot gives the Lease up.
            chance: between 0 and 1, so that two candidates do not stay in step.
        """
        self._process, self._clock = process, clock
        self._on_lead, self._on_lost, self._led = on_lead, on_lost, False
        self._end_writing = end_writing
        self._turns, self._fit = turns, fit
        self._chance, self._retry = chance, candidacy.retry
        self._lease = LeaseName(candidacy.name, candidacy.namespace)
        durations = Durations(candidacy.lease, candidacy.renew, candidacy.retry)
        self._election = Election(f"{platform.node()}_{secrets.token_hex(8)}", durations)
        self._until = -inf
        self._holder: str | None = None
        self._words = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leadership", daemon=True)

    def start(self) -> None:
        """Become a candidate."""
        self._thread.start()

    def leads(self) -> bool:
        """Whether we may publish now."""
        return self._clock() < self.until

    @property
    def until(self) -> float:
        """When our lead ends unless it is renewed, by the monotonic clock."""
        # An answer that is under way when we stop is no lead any more: the Lease is given up.
        return -inf if self._stopping.is_set() else self._until

    def who(self) -> str:
        """Who leads, as far as is known, for people. Any thread may ask."""
        if self.leads():
            return "this daemon leads"
        if self._words:
            return f"not known who leads: {self._words}"
        return f"{self._holder or 'nobody'} leads"

    def alive(self) -> bool:
        """Whether the thread runs, where it should."""
        return self._thread.is_alive() or self._thread.ident is None

    def stop(self) -> None:
        """Give the Lease up, so that another candidate need not wait."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=_PATIENCE_SECONDS)
        self._process.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._try()
            self._note_loss()
            self._stopping.wait(self._retry * (1 + (JITTER - 1) * self._chance()))
        with suppress(GitopsPrefixError):
            self._process.ask(ReleaseLease(self._lease, self._election))

    def _try(self) -> None:
        question = self._question()
        if question is None:
            return
        try:
            election, led = self._asked(question)
        except GitopsPrefixError as error:
            self._warn(str(error))
            return
        except Exception as error:  # noqa: BLE001  without this thread nobody leads any more
            self._warn(f"unexpectedly: {type(error).__name__}: {error}")
            return
        self._words = ""
        self._learn(election, led=led)

    def _asked(self, question: TryLease | ReleaseLease) -> tuple[Election, bool]:
        """What is known after a try, and whether we led until then.

        Raises:
            GitopsPrefixError: there was no answer.
        """
        tries = isinstance(question, TryLease)
        election = self._process.ask(question) if tries else self._election
        led = self.leads()
        if tries and election.step(self._clock()) is not LeaseStep.RELEASE:
            return election, led
        self._until = -inf
        self._end_writing()
        return self._process.ask(ReleaseLease(self._lease, election)), led

    def _warn(self, words: str) -> None:
        if words != self._words and not self._stopping.is_set():
            log.warning("Lease: %s", words)
        self._words = words

    def _note_loss(self) -> None:
        """Report the end of our lead, also where it ended because no renewal succeeded."""
        led, self._led = self._led, self.leads()
        if led and not self._led and not self._stopping.is_set():
            self._on_lost()

    def _question(self) -> TryLease | ReleaseLease | None:
        """What to ask for; None while the loop hangs, and another may lead."""
        if self._turns():
            return TryLease(self._lease, replace(self._election, fit=self._fit()))
        # Also when our lead has ended meanwhile: the others need not wait for the record to age.
        ours = self._election.renewed_at is not None
        return ReleaseLease(self._lease, self._election) if ours else None

    def _learn(self, election: Election, *, led: bool) -> None:
        self._election = election
        self._until = -inf if election.leads_until is None else election.leads_until
        leads, holder = self.leads(), election.record.holder if election.record else ""
        if (leads, holder) != (led, self._holder):
            if leads:
                log.info("we lead")
            elif led and not self._turns():
                log.error("we give the lead up: the loop hangs, and another may publish")
            elif led and not election.fit:
                log.warning("we give the lead up: we cannot publish now, and another may")
            else:
                log.info("%s leads", holder or "nobody")
        self._holder = holder
        if leads and not led:
            self._on_lead()


def leadership(  # noqa: PLR0913  as `Leadership`
    candidacy: Candidacy,
    access: ClusterAccess,
    clock: Callable[[], float],
    on_lead: Callable[[], None],
    *,
    on_lost: Callable[[], None] = lambda: None,
    end_writing: Callable[[], None] = lambda: None,
    turns: Callable[[], bool] = lambda: True,
    fit: Callable[[], bool] = lambda: True,
) -> Leadership:
    """A leadership with a child process of its own: no other question delays a renewal."""
    # client-go's: a request that takes longer would miss the next try.
    process = ClusterProcess(access, seconds=max(2.0, candidacy.renew / 2), idle=inf)
    return Leadership(
        candidacy,
        process,
        clock,
        on_lead,
        on_lost=on_lost,
        end_writing=end_writing,
        turns=turns,
        fit=fit,
    )
