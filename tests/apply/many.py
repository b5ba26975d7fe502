"""Many objects in a real API server that takes its time: how long until all are right.

`python -m tests.apply.many [OBJECTS] [SECONDS]`: 500 objects, at once and at 0.25 s an answer; and
again with one object that hangs.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gitops_prefix.apply.applying import Applying
from gitops_prefix.apply.child import ClusterAccess, ClusterProcess
from gitops_prefix.apply.policy import ApplyMode, ApplyPolicy, BranchState
from tests.apiserver import ADMIN, ApiServer, api_server, install
from tests.apply.live import sync
from tests.apply.manifests import POOL, A, B, configurations
from tests.netns import until
from tests.slow_api import Rule, SlowApi, Wait, slow_api
from tests.web_stand_in import Asked

OLD, NEW = "2001:db8:a:0:f000::", "2001:db8:b:0:f000::"


def pools(number: int) -> dict[str, str]:
    """Files of so many pools."""
    return {
        f"pool-{n}.yaml": POOL.replace("name: lan\n", f"name: lan-{n}\n", 1) for n in range(number)
    }


def first_blocks(cluster: ApiServer) -> dict[str, str]:
    """The first block of each pool."""
    form = "jsonpath={range .items[*]}{.metadata.name}={.spec.blocks[0].start}{'\\n'}{end}"
    lines = cluster.kubectl("get", "ciliumloadbalancerippools", "-o", form).split()
    return dict(line.split("=") for line in lines)


@contextmanager
def overriding(api: SlowApi | Path, files: dict[str, str], reports: list) -> Iterator[Applying]:
    """A daemon's thread whose Git has long been away."""
    kubeconfig = api if isinstance(api, Path) else api.kubeconfig
    process = ClusterProcess(ClusterAccess(str(kubeconfig)))
    made = Applying(
        ApplyPolicy(ApplyMode.FALLBACK, 0.0),
        process,
        time.monotonic,
        lambda _: configurations(files, "", A, B),
        count=reports.append,
    )
    made.start()
    try:
        made.take(BranchState.AWAY, "ours", time.monotonic())
        yield made
    finally:
        made.stop()


def measure(
    cluster: ApiServer, directory: Path, number: int, rule: Rule | None, but: int = 0
) -> float:
    """Seconds until all but `but` objects are right; without a rule there is no proxy between."""
    files, reports = pools(number), []
    sync(cluster, "", files, A)
    with ExitStack() as stack:
        way: SlowApi | Path = cluster.kubeconfig(ADMIN)
        if rule is not None:
            way = stack.enter_context(slow_api(cluster, directory, rule))
        stack.enter_context(overriding(way, files, reports))
        began = time.monotonic()

        def right() -> int:
            return sum(start == NEW for start in first_blocks(cluster).values())

        until(lambda: len(reports) >= number - but, "the reports", 900)
        until(lambda: right() >= number - but, "the objects", 900)
        return time.monotonic() - began


def main() -> None:
    """Measure, and print."""
    number, seconds = int((sys.argv[1:] or ["500"])[0]), float((sys.argv[2:] or ["0.25"])[0])

    def hangs(asked: Asked) -> Wait | None:
        return Wait(float("inf")) if asked.path.partition("?")[0].endswith("/lan-7") else None

    with tempfile.TemporaryDirectory() as name, api_server(Path(name) / "api") as cluster:
        install(cluster)
        directory = Path(name)
        fast = measure(cluster, directory, number, None)
        print(f"{number} objects, a fast API server: {fast:.1f} s", flush=True)
        slow = measure(cluster, directory, number, lambda _: Wait(seconds))
        print(f"{number} objects, {seconds} s an answer: {slow:.1f} s", flush=True)
        hung = measure(cluster, directory, number, hangs, but=1)
        print(f"{number} objects, of which one hangs: {hung:.1f} s for the others", flush=True)


if __name__ == "__main__":
    main()
