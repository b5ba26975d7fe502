"""What the daemon tells Prometheus. Every name begins with `gitops_prefix_`.

The live state is here and on the status page, not in Git: a router that falls
silent is no reason for a commit.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

PREFIX = "gitops_prefix_"


class Metrics:
    """One registry, so that two daemons in one process (the tests') do not mix."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        self.advertisements = Counter(
            PREFIX + "router_advertisements",
            "Router Advertisements accepted.",
            ["interface", "router"],
            registry=registry,
        )
        self.dropped = Counter(
            PREFIX + "dropped_packets",
            "Packets that were no valid Router Advertisement.",
            ["interface", "reason"],
            registry=registry,
        )
        self.refused = Gauge(
            PREFIX + "refused_prefixes",
            "Announced prefixes that are no candidate now.",
            ["dynamic_prefix", "reason"],
            registry=registry,
        )
        self.changes = Counter(
            PREFIX + "changes",
            "Changes of the current prefix.",
            ["dynamic_prefix"],
            registry=registry,
        )
        self.current = Gauge(
            PREFIX + "current_prefix",
            "1 for the prefix that is current.",
            ["dynamic_prefix", "prefix"],
            registry=registry,
        )
        self.announced = Gauge(
            PREFIX + "current_prefix_announced",
            "Whether the current prefix is still announced by a router (or static).",
            ["dynamic_prefix"],
            registry=registry,
        )
        self.degraded = Gauge(
            PREFIX + "degraded",
            "Whether the current prefix is held because it changed too often.",
            ["dynamic_prefix"],
            registry=registry,
        )
        self.link_up = Gauge(
            PREFIX + "link_up",
            "Whether the link is there and up.",
            ["interface"],
            registry=registry,
        )
        self.reconciliations = Counter(
            PREFIX + "reconciliations",
            "Passes, by what they came to.",
            ["outcome"],
            registry=registry,
        )
        self.publish_seconds = Histogram(
            PREFIX + "publish_duration_seconds",
            "From the begin of a pass to its commit on the branch.",
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100),
            registry=registry,
        )
        self.publish_failures = Counter(
            PREFIX + "publish_failures",
            "Publications that failed, by reason.",
            ["reason"],
            registry=registry,
        )
        self.last_success = Gauge(
            PREFIX + "last_success_timestamp_seconds",
            "When a pass last found or made the branch right.",
            registry=registry,
        )
        self.pending_since = Gauge(
            PREFIX + "pending_since_timestamp_seconds",
            "Since when a change waits to be published; 0 when none does.",
            registry=registry,
        )

    def exposition(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self.registry)
