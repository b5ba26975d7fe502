"""A loop over a real clone, with a link and a clock that the test has in hand."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from gitops_prefix.cli.rehearsal import ROUTER, advertisement
from gitops_prefix.daemon.clocks import Clocks
from gitops_prefix.daemon.loop import Loop
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.daemon.publication import Outcome, Publication
from gitops_prefix.decide.advertisement import Router
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.plan.ears import Advertised
from gitops_prefix.publish.failure import Reason
from gitops_prefix.publish.repository import Repository
from gitops_prefix.publish.stages import Stage
from gitops_prefix.watch.codec import decode

A, B, C = (Prefix.parse(f"2001:db8:{n}::/64") for n in ("aaaa", "bbbb", "cccc"))
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
LOOK_AGAIN = 301


class Home:
    """One router, fe80::1 on eth0, and the loop that hears it."""

    def __init__(self, repository: Repository) -> None:
        self.seconds = 1000.0
        self.calendar = NOON
        self.metrics = Metrics()
        clocks = Clocks(lambda: self.seconds, lambda: self.calendar)
        self.loop = Loop(Publication(repository), self.metrics, clocks=clocks)

    def wait(self, seconds: float = LOOK_AGAIN) -> None:
        self.seconds += seconds
        self.calendar += timedelta(seconds=seconds)

    def looks(self) -> Outcome:
        self.wait()
        return self.loop.run_once()

    def hears(self, prefix: Prefix) -> Outcome:
        heard = decode(advertisement([prefix]), source=ROUTER, hop_limit=255)
        self.wait(1)
        router = Router("eth0", "fe80::1")
        self.loop.decisions.take(Advertised(router, heard, self.seconds, repeated=False))
        return self.loop.run_once()

    def scrape(self) -> dict[tuple[str, ...], float]:
        """Each sample by its name, without our prefix, and the values of its labels, by their names."""
        families = text_string_to_metric_families(self.metrics.exposition().decode())
        return {
            (
                sample.name.removeprefix("gitops_prefix_"),
                *(sample.labels[name] for name in sorted(sample.labels)),
            ): sample.value
            for family in families
            for sample in family.samples
            if not sample.name.endswith("_created")
        }

    def failures(self) -> dict[tuple[Stage, Reason], float]:
        return {
            (Stage(stage), Reason(reason)): count
            for (name, reason, stage), count in (
                (key, n) for key, n in self.scrape().items() if len(key) == 3
            )
            if name == "publish_failures_total"
        }

    def timed(self) -> dict[str, float]:
        """How often each stage was."""
        name = "publish_duration_seconds_count"
        return {key[1]: n for key, n in self.scrape().items() if key[0] == name}


@contextmanager
def at_home(clone: Path, url: object, **options):
    repository = Repository(clone, str(url), "main", **options)
    repository.open()
    try:
        yield Home(repository)
    finally:
        repository.close()
