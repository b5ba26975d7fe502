"""The metrics of the daemon, for Prometheus. Every name begins with `gitops_prefix_`.

The live state is here and on the status page, not in Git: a router that falls
silent is no reason for a commit.
"""

from functools import partial
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gitops_prefix import version

_Counters: TypeAlias = partial[Counter]
_Gauges: TypeAlias = partial[Gauge]
_Histograms: TypeAlias = partial[Histogram]


class Metrics:
    """One registry, so that two daemons in one process (the tests') do not mix."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        counter = partial(Counter, namespace="gitops_prefix", registry=registry)
        gauge = partial(Gauge, namespace="gitops_prefix", registry=registry)
        histogram = partial(Histogram, namespace="gitops_prefix", registry=registry)
        self.build = gauge(
            "build_info", "1, with the version and commit that run.", ["version", "commit"]
        )
        number, _, commit = version().partition(" ")
        self.build.labels(number, commit.strip("()")).set(1)
        self._add_links(counter, gauge)
        self._add_prefixes(counter, gauge)
        self._add_cluster(counter, gauge)
        self._add_publication(counter, gauge, histogram)

    def _add_links(self, counter: _Counters, gauge: _Gauges) -> None:
        """What the links and other sources say."""
        self.advertisements = counter(
            "router_advertisements", "Router Advertisements accepted.", ["interface", "router"]
        )
        self.dropped = counter(
            "dropped_packets",
            "Packets that were no valid Router Advertisement.",
            ["interface", "reason"],
        )
        self.refused = gauge(
            "refused_prefixes",
            "Announced prefixes that are no candidate now.",
            ["dynamic_prefix", "reason"],
        )
        self.refusals = counter(
            "refusals",
            "Prefixes that policy refused, each time they were announced anew.",
            ["dynamic_prefix", "reason"],
        )
        self.floods = counter(
            "floods",
            "Seconds in which a flood let only vouched routers be heard.",
        )
        self.link_up = gauge("link_up", "Whether the link is there and up.", ["interface"])
        self.kernel_accepts = gauge(
            "kernel_accepts_advertisements",
            "Whether advertised prefixes reach the kernel, where it is asked.",
            ["interface"],
        )
        self.source_failures = counter(
            "source_failures",
            "Times that a source could not be read, or held no prefix; what it said before counts.",
            ["source"],
        )
        self.lease_valid = gauge(
            "lease_valid_seconds",
            "How long the delegation is still valid without another word of the server.",
            ["dynamic_prefix"],
        )
        self.lease_renew = gauge(
            "lease_renew_seconds",
            "When the delegation is renewed next, in seconds from now.",
            ["dynamic_prefix"],
        )

    def _add_prefixes(self, counter: _Counters, gauge: _Gauges) -> None:
        """Which prefixes are current."""
        self.changes = counter("changes", "Changes of the current prefix.", ["dynamic_prefix"])
        self.current = gauge(
            "current_prefix", "1 for the prefix that is current.", ["dynamic_prefix", "prefix"]
        )
        self.announced = gauge(
            "current_prefix_announced",
            "Whether the current prefix is still announced by a router (or static).",
            ["dynamic_prefix"],
        )
        self.router_gone = gauge(
            "router_gone",
            "Whether the router of the current prefix is gone, and no other announces a prefix.",
            ["dynamic_prefix"],
        )
        self.degraded = gauge(
            "degraded",
            "Whether the prefix is held: it changed too often, or another daemon undoes it.",
            ["dynamic_prefix"],
        )

    def _add_cluster(self, counter: _Counters, gauge: _Gauges) -> None:
        """What is done in the cluster."""
        self.overrides = gauge(
            "direct_apply_overrides",
            "Whether reconcilers are overridden now, because Git is away.",
        )
        self.held = gauge(
            "held_objects",
            "Objects that keep their reconciler away for us; it should fall to 0 after an outage.",
        )
        self.direct_applies = counter(
            "direct_applies",
            "Objects that were applied or released, by the result.",
            ["standing"],
        )
        self.leads = gauge("leads", "Whether this daemon is the one that publishes.")

    def _add_publication(self, counter: _Counters, gauge: _Gauges, histogram: _Histograms) -> None:
        """How publishing goes."""
        self.reconciliations = counter("reconciliations", "Passes, by how they ended.", ["outcome"])
        self.publish_seconds = histogram(
            "publish_duration_seconds",
            "Stages of a publication; whole: from the begin of a pass to its commit on the branch.",
            ["stage"],
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
        )
        self.publish_failures = counter(
            "publish_failures",
            "Publications that failed, by where and why.",
            ["stage", "reason"],
        )
        self.last_success = gauge(
            "last_success_timestamp_seconds", "When a pass last found or made the branch right."
        )
        self.pending_age = gauge(
            "pending_change_age_seconds",
            "How long a change waits to be published; 0 when none does.",
        )
        self.pass_age = gauge(
            "pass_age_seconds",
            "How long the pass under way has been running; 0 between passes.",
        )
        self.pending_since = gauge(
            "pending_since_timestamp_seconds",
            "Since when a change waits to be published; 0 when none does.",
        )

    def exposition(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self.registry)
