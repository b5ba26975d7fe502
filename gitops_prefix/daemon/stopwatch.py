"""How long each stage of a publication takes, by the clock that only goes forward."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import Histogram

from gitops_prefix.publish.stages import Stage


class Stopwatch:
    """Observes stages (`publish.stages.Observe`) into a histogram with the label `stage`."""

    def __init__(self, histogram: Histogram, clock: Callable[[], float]) -> None:
        self._histogram, self._clock = histogram, clock
        for stage in Stage:
            # A row that begins at 0 is seen to rise by the first observation.
            histogram.labels(stage.value)

    @contextmanager
    def __call__(self, stage: Stage) -> Iterator[None]:
        """Time one stage; a failure took its time, too."""
        begin = self._clock()
        try:
            yield
        finally:
            self._histogram.labels(stage.value).observe(self._clock() - begin)
