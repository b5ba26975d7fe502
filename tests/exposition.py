"""The names and labels that our metrics have in Prometheus."""

from contextlib import suppress

from prometheus_client.metrics import MetricWrapperBase

from gitops_prefix.daemon.metrics import Metrics


def labels_by_name() -> dict[str, tuple[str, ...]]:
    """The labels of each metric, by the name of its family; a counter's is without `_total`."""
    found = {}
    for metric in vars(Metrics()).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            found[family.name] = _labels_of(metric)
    return found


def _labels_of(metric: MetricWrapperBase) -> tuple[str, ...]:
    """Read from a sample: a metric shows its labels only once they have values."""
    for count in range(1, 9):
        with suppress(ValueError):
            metric.labels(*["value"] * count)
            break
    (family,) = metric.collect()
    return tuple(label for label in family.samples[-1].labels if label != "le")


def exposed_names() -> dict[str, tuple[str, ...]]:
    """The same by the names that a page lists: a counter ends in `_total`."""
    kinds = {
        family.name: family.type
        for metric in vars(Metrics()).values()
        if isinstance(metric, MetricWrapperBase)
        for family in metric.describe()
    }
    return {
        f"{name}_total" if kinds[name] == "counter" else name: labels
        for name, labels in labels_by_name().items()
    }
