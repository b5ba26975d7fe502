"""Three daemons, one repository, one real API server, and a bad day drawn by a seed.

`python -m tests.apply.three_daemons [SECONDS] [SEED]` runs 30 minutes, and then a hand-over in each stage
of an outage, in each way. The API server answers each
daemon after a second or less. The chance cuts daemons off from the API server or from Git, takes Git away
from all, stops, ends and kills daemons, and steps their calendars. Meanwhile the prefix goes up and up.

No object ever goes back to an older prefix. At the end, when all is well again, each object is as the
branch has it and nothing is held.
"""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

from tests.apiserver import ADMIN, ApiServer, api_server, install
from tests.apply.reconcilers import LABEL, RECONCILE
from tests.branch import bare_repository
from tests.dynamic_prefix import dynamic_prefix
from tests.examples.repositories import parse
from tests.git_servers import TOKEN, USER, free_port, web_server
from tests.gitrepo import git
from tests.netns import until
from tests.slow_api import SlowApi, Wait, slow_api

HERE = Path(__file__).parent
KIND = "ciliumloadbalancerippools"
LEASE = ("--leader-elect", "--lease-duration=6s", "--renew-deadline=4s", "--retry-period=1s")
SECONDS = 60.0
HOUSE = dynamic_prefix("file: {path: PATH}", ranges=("lan",))
POOL = """
apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata:
  name: lan-NUMBER
  annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/address-range: lan}
  labels: {kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/namespace: NAMESPACE}
spec:
  blocks:
    - {start: "2001:db8:0:0:f000::", stop: "2001:db8:0:0:ffff:ffff:ffff:ffff"}
"""


def number_of(start: str) -> int:
    """Which prefix, counted from 0, an address is of."""
    found = re.match(r"2001:db8:0:([0-9a-f]+)", start)
    return int(found[1], 16) if found else 0


class Way:
    """A port that leads to the Git server, until it is closed: then connections are refused."""

    def __init__(self, behind: int) -> None:
        self.port, self._behind = free_port(), behind
        self._listening: socket.socket | None = None
        self._pairs: list[socket.socket] = []

    def open(self) -> None:
        if self._listening is None:
            self._listening = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._accept, args=(self._listening,), daemon=True).start()

    def close(self) -> None:
        listening, self._listening = self._listening, None
        for each in [*filter(None, [listening]), *self._pairs]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._pairs.clear()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                ours, _ = listening.accept()
                theirs = socket.create_connection(("127.0.0.1", self._behind))
                self._pairs += [ours, theirs]
                for pair in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=_pump, args=pair, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    for each in (source, sink):
        with suppress(OSError):
            each.close()


@dataclass
class Daemon:
    """One of the three, with a way of its own to the API server and to Git."""

    name: str
    words: list[str]
    environment: dict[str, str]
    api: SlowApi
    way: Way
    log: Path
    process: subprocess.Popen | None = None

    def start(self) -> None:
        with self.log.open("a") as stream:
            self.process = subprocess.Popen(self.words, env=self.environment, stderr=stream)

    def send(self, what: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(what)

    def end(self, what: signal.Signals) -> None:
        self.send(signal.SIGCONT)
        self.send(what)
        assert self.process is not None
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(120)
            return
        self.process.kill()
        self.process.wait()

    def git(self, *, there: bool) -> None:
        if there:
            self.way.open()
        else:
            self.way.close()


@dataclass
class World:
    """The daemons, the reconciler, and what an onlooker saw of each object."""

    cluster: ApiServer
    directory: Path
    namespace: str
    remote: Path
    daemons: list[Daemon]
    highest: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    prefix: int = 1
    flux_reaches_git: bool = True
    stopping: threading.Event = field(default_factory=threading.Event)

    def say(self, words: str) -> None:
        self.events.append(f"{time.strftime('%H:%M:%S')} {words}")
        if os.environ.get("TALK"):
            print(self.events[-1], flush=True)

    def renumber(self) -> None:
        self.prefix += 1
        path = self.directory / "sources" / "prefix"
        new = path.with_suffix(".new")
        new.write_text(f"2001:db8:0:{self.prefix:x}::/64\n")
        new.replace(path)
        self.say(f"the prefix is {self.prefix}")

    def watch(self) -> None:
        """Note each value of each object; a lower one than before is wrong."""
        form = "jsonpath={.metadata.name} {.spec.blocks[0].start} {.metadata.managedFields[*].manager}{'\\n'}"
        program = Path(os.environ["KUBEBUILDER_ASSETS"]) / "kubectl"
        words = [str(program), "--kubeconfig", str(self.cluster.kubeconfig(ADMIN)), "get", KIND]
        words += ["--watch", "--show-managed-fields", "-o", form]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as watching:
            threading.Thread(
                target=lambda: (self.stopping.wait(), watching.kill()), daemon=True
            ).start()
            for line in watching.stdout or ():
                name, _, rest = line.partition(" ")
                number, before = number_of(rest), self.highest.get(name, 0)
                if number < before:
                    self.wrong.append(f"{name} went from {before} to {number}: {rest.strip()}")
                    self.say(self.wrong[-1])
                self.highest[name] = max(number, before)

    def reconcile(self) -> None:
        """As Flux: apply what it fetched, skip what is held, say which commit that was."""
        fetched = ""
        while not self.stopping.wait(2.0):
            if self.flux_reaches_git:
                fetched = git(self.remote, "rev-parse", "main").strip()
            live = json.loads(self.cluster.kubectl("get", KIND, "-o", "json"))["items"]
            documents = []
            for one in live:
                name, metadata = one["metadata"]["name"], one["metadata"]
                if metadata.get("annotations", {}).get(RECONCILE) == "disabled":
                    continue
                [document] = parse(git(self.remote, "show", f"{fetched}:pool-{name}.yaml"))
                # kustomize-controller looks right before it applies: what was held since stays.
                document["metadata"]["resourceVersion"] = metadata["resourceVersion"]
                documents.append(json.dumps(document))
            words = ["apply", "--server-side", "--field-manager=kustomize-controller"]
            words += ["--force-conflicts", "-f", "-"]
            self.cluster.ask(*words, stdin="\n---\n".join(documents))
            revision = {"status": {"lastAppliedRevision": f"main@sha1:{fetched}"}}
            words = ("patch", "kustomization", "apps", "-n", self.namespace, "--type=merge", "-p")
            self.cluster.kubectl(*words, json.dumps(revision))

    def trouble(self, chance: random.Random) -> None:
        """One thing that goes wrong, or right again."""
        daemon = chance.choice(self.daemons)
        what = chance.choice(
            [
                "prefix",
                "prefix",
                "api",
                "git",
                "all",
                "flux",
                "stop",
                "kill",
                "term",
                "clock",
                "well",
            ]
        )
        self.say(f"{what} {daemon.name}")
        match what:
            case "prefix":
                self.renumber()
            case "api":
                seconds = chance.choice([float("inf"), 5.0])
                daemon.api.rule = lambda _: Wait(seconds)
            case "git":
                daemon.git(there=False)
            case "all":
                for each in self.daemons:
                    each.git(there=False)
                self.flux_reaches_git = False
            case "flux":
                self.flux_reaches_git = not self.flux_reaches_git
            case "stop":
                daemon.send(signal.SIGSTOP)
            case "kill" | "term":
                daemon.end(signal.SIGKILL if what == "kill" else signal.SIGTERM)
                daemon.start()
            case "clock":
                step = chance.choice([-86400, -30, 30, 86400])
                Path(daemon.environment["SKEW"]).write_text(str(step))
            case _:
                self.mend(chance.choice([0.2, 1.0]))

    def mend(self, seconds: float) -> None:
        for daemon in self.daemons:
            daemon.api.rule = lambda _: Wait(seconds)
            daemon.git(there=True)
            daemon.send(signal.SIGCONT)
        self.flux_reaches_git = True

    def held(self) -> int:
        """How many objects are held, with the current prefix."""
        live = json.loads(self.cluster.kubectl("get", KIND, "-o", "json"))["items"]
        return sum(
            one["metadata"].get("annotations", {}).get(RECONCILE) == "disabled"
            and number_of(one["spec"]["blocks"][0]["start"]) == self.prefix
            for one in live
        )

    def leader(self) -> Daemon | None:
        """Who leads, by what each said last about it; None between two."""
        for daemon in self.daemons:
            said = re.findall(r"we lead|\w leads|give the lead up", daemon.log.read_text())
            if said and said[-1] == "we lead":
                return daemon
        return None

    def all_seen(self) -> bool:
        """Whether the onlooker has seen the last prefix of each object, too."""
        return set(self.highest.values()) == {self.prefix}

    def well(self) -> bool:
        """Whether each object is as the branch has it, and nothing is held."""
        live = json.loads(self.cluster.kubectl("get", KIND, "-o", "json", "--show-managed-fields"))
        return all(
            number_of(one["spec"]["blocks"][0]["start"]) == self.prefix
            and RECONCILE not in one["metadata"].get("annotations", {})
            and "gitops-prefix"
            not in {entry["manager"] for entry in one["metadata"].get("managedFields", ())}
            for one in live["items"]
        )


@contextmanager
def world(cluster: ApiServer, directory: Path, namespace: str, objects: int) -> Iterator[World]:
    """Three daemons that lead in turn, and all that they need."""
    sources = directory / "sources"
    sources.mkdir()
    (sources / "prefix").write_text("2001:db8:0:1::/64\n")
    pools = {
        f"pool-lan-{n}.yaml": POOL.replace("NUMBER", str(n)).replace("NAMESPACE", namespace)
        for n in range(objects)
    }
    files = {"prefix.yaml": HOUSE.replace("PATH", str(sources / "prefix")), **pools}
    remote = bare_repository(directory, {name: text.encode() for name, text in files.items()})
    cluster.apply(*pools.values(), manager="kustomize-controller", force=True)
    kustomization = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": "apps", "namespace": namespace, "labels": {LABEL: "apps"}},
        "spec": {"interval": "1m", "path": "./", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "a"}},
    }  # fmt: skip
    cluster.apply(kustomization)
    library = directory / "skewed_clock.so"
    made = subprocess.run(
        ["gcc", "-shared", "-fPIC", "-o", str(library), str(HERE / "skewed_clock.c"), "-ldl"],
        check=False,
    )
    with ExitStack() as stack:
        server = stack.enter_context(web_server(directory / "httpd", tls=False))
        (server.repositories / "home.git").symlink_to(remote)
        daemons = []
        for name in ("one", "two", "three"):
            own = directory / name
            own.mkdir()
            api = stack.enter_context(slow_api(cluster, own))
            way = Way(urlsplit(server.url).port or 0)
            way.open()
            stack.callback(way.close)
            url = f"http://127.0.0.1:{way.port}/home.git"
            words = [sys.executable, "-m", "gitops_prefix", "run", f"--repo={url}", *LEASE]
            words += [f"--username={USER}"]
            words += [f"--clone-dir={own / 'clone'}", "--interval=2s", f"--author-name={name}"]
            words += [f"--kubeconfig={api.kubeconfig}", f"--lease-namespace={namespace}"]
            words += [f"--source-dir={sources}", "--apply=fallback", "--apply-after=2s"]
            environment = {**os.environ, "SKEW": str(own / "skew"), "GITOPS_PREFIX_TOKEN": TOKEN}
            if made.returncode == 0:
                environment["LD_PRELOAD"] = str(library)
            daemons.append(Daemon(name, words, environment, api, way, own / "log"))
        all_of_it = World(cluster, directory, namespace, remote, daemons)
        threads = [
            threading.Thread(target=all_of_it.watch),
            threading.Thread(target=all_of_it.reconcile),
        ]
        for each in [*daemons, *threads]:
            each.start()
        try:
            yield all_of_it
        finally:
            all_of_it.stopping.set()
            for daemon in daemons:
                daemon.end(signal.SIGKILL)
            for thread in threads:
                thread.join(60)


def bad_day(
    cluster: ApiServer,
    directory: Path,
    namespace: str,
    seconds: float,
    seed: object,
    objects: int = 5,
    pause: float = 6.0,
) -> World:
    """Draw trouble for so long; then all is well again, and must be so in the end."""
    chance = random.Random(str(seed))
    with world(cluster, directory, namespace, objects) as day:
        until(day.well, "the first commit in the cluster")
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            day.trouble(chance)
            day.stopping.wait(chance.random() * 2 * pause)
        day.say("all is well")
        day.mend(0.0)
        until(lambda: (day.well() and day.all_seen()) or day.wrong, "that all is right again")
        assert not day.wrong, "\n".join([*day.events, *day.wrong])
        return day


STAGES = ("before the push", "between push and reconciler", "while giving back")
WAYS = ("SIGKILL", "SIGTERM", "SIGSTOP", "partition")


def hand_over(
    cluster: ApiServer, directory: Path, namespace: str, stage: str, way: str, objects: int = 4
) -> World:
    """The leader is gone in one stage of an outage, in one way: who comes next ends it well."""
    with world(cluster, directory, namespace, objects) as day:
        until(day.well, "the first commit in the cluster")
        for daemon in day.daemons:
            daemon.git(there=False)
        day.flux_reaches_git = False
        day.renumber()
        until(lambda: day.held() == objects, "that all are held")
        if stage != "before the push":
            for daemon in day.daemons:
                daemon.git(there=True)
            until(lambda: f":{day.prefix:x}::/64" in git(day.remote, "show", "main:prefix.yaml"), "the push")  # fmt: skip
        if stage == "while giving back":
            for daemon in day.daemons:
                daemon.api.rule = lambda _: Wait(0.5)
            day.flux_reaches_git = True
            until(lambda: day.held() < objects, "the first that is released")
        leader = until(day.leader, "a leader")
        match way:
            case "partition":
                leader.api.rule = lambda _: Wait(float("inf"))
            case "SIGSTOP":
                leader.send(signal.SIGSTOP)
            case _:
                leader.end(signal.Signals[way])
        for daemon in day.daemons:
            daemon.git(there=True)
        day.flux_reaches_git = True
        until(lambda: day.well() or day.wrong, f"the end of an outage: {way} {stage}")
        if way == "SIGSTOP":
            leader.send(signal.SIGCONT)
            day.stopping.wait(8.0)
        assert not day.wrong and day.well(), day.wrong
        return day


def main() -> None:
    """Run as long as the command line says."""
    seconds, seed = float((sys.argv[1:] or ["1800"])[0]), (sys.argv[2:] or ["1"])[0]
    name = tempfile.mkdtemp(prefix="three-daemons-")
    with api_server(Path(name) / "api") as cluster:
        install(cluster)
        cluster.kubectl("create", "namespace", "home")
        if seconds:
            day = bad_day(cluster, Path(name), "home", seconds, seed)
            print(f"{len(day.events)} events, prefix {day.prefix}, seed {seed}: nothing went back")
        for number, (stage, way) in enumerate(product(STAGES, WAYS)):
            directory, namespace = Path(name) / str(number), f"home-{number}"
            directory.mkdir()
            cluster.kubectl("create", "namespace", namespace)
            cluster.kubectl("delete", KIND, "--all")
            began = time.monotonic()
            hand_over(cluster, directory, namespace, stage, way)
            print(f"{way} {stage}: all was well, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
