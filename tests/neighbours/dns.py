"""external-dns beside a name server: the true program and bind, and a stand-in with a zone of its own.

Both act when they are given a turn: `external-dns --once` is one round.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from tests.git_servers import free_port, start_here
from tests.neighbours.place import Place, addresses
from tests.netns import run, until

ZONE = "example.org"
NEW, OLD = "external-dns.kubernetes.io/", "external-dns.alpha.kubernetes.io/"
_CONF = """
options {{ directory "{directory}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; pid-file "{directory}/pid"; session-keyfile "{directory}/session.key"; dnssec-validation no; }};
controls {{ }};
zone "{zone}" {{ type primary; file "{directory}/zone"; allow-update {{ any; }}; allow-transfer {{ any; }};
  max-journal-size 10m; }};
"""
_ZONE = f"""
$TTL 60
{ZONE}. IN SOA ns.{ZONE}. root.{ZONE}. 1 3600 600 86400 60
{ZONE}. IN NS ns.{ZONE}.
ns.{ZONE}. IN A 127.0.0.1
"""
_RECORD = re.compile(r"^(?P<name>\S+)\.\s+\d+\s+IN\s+(?P<kind>A|AAAA|CNAME)\s+(?P<value>\S+?)\.?$")


class Record(NamedTuple):
    """One of A, AAAA or CNAME."""

    name: str
    kind: str
    value: str


Records = frozenset[Record]


@dataclass
class TrueDns:
    """external-dns, one round a turn, and the zone that it writes."""

    place: Place
    directory: Path
    port: int
    legacy: bool = False

    def turn(self) -> None:
        """One round of external-dns."""
        program = Path(os.environ["NEIGHBOURS"]) / "external-dns"
        words = ["--source=service", "--provider=rfc2136", "--rfc2136-host=127.0.0.1"]
        words += [f"--rfc2136-port={self.port}", f"--rfc2136-zone={ZONE}", "--rfc2136-insecure"]
        words += ["--rfc2136-axfr", "--registry=txt", "--txt-owner-id=home", "--policy=sync"]
        words += ["--once", f"--metrics-address=127.0.0.1:{free_port()}"]
        words += [f"--namespace={self.place.namespace}", f"--server={self.place.cluster.url}"]
        words += [f"--kubeconfig={self.place.cluster.kubeconfig('admin')}"]
        words += ["--enable-legacy-annotation-prefix"] if self.legacy else []
        done = subprocess.run(
            [str(program), *words], capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]

    def records(self) -> Records:
        """What a transfer of the zone shows."""
        words = ("@127.0.0.1", "-p", str(self.port), ZONE, "AXFR", "+noall", "+answer")
        return _read(run("dig", *words).stdout)

    def states(self) -> list[Records]:
        """The zone after each update since the beginning, from the server's journal."""
        journal = self.directory / "zone.jnl"
        if not journal.exists():
            return []
        stands: set[Record] = set()
        found: list[Records] = []
        for line in run("named-journalprint", str(journal)).stdout.splitlines():
            verb, _, text = line.partition(" ")
            if verb == "del" and "\tSOA\t" in text:
                found.append(frozenset(stands))
            for record in _read(text):
                (stands.discard if verb == "del" else stands.add)(record)
        return [*found[1:], frozenset(stands)]


@contextmanager
def true_dns(place: Place, directory: Path, *, legacy: bool = False) -> Iterator[TrueDns]:
    """bind on a port of its own."""
    directory.mkdir()
    port = free_port()
    (directory / "zone").write_text(_ZONE)
    settings = _CONF.format(directory=directory, port=port, zone=ZONE)
    (directory / "named.conf").write_text(settings)
    search = f"{os.environ['PATH']}:/usr/sbin"
    with ExitStack() as stack:
        log = stack.enter_context((directory / "log").open("w"))
        words = ("named", "-g", "-c", str(directory / "named.conf"), "-n", "1")
        environment = os.environ | {"PATH": search}
        stack.enter_context(start_here(*words, stderr=log, stdout=log, env=environment))
        dns = TrueDns(place, directory, port, legacy)

        def answers() -> bool:
            words = ("@127.0.0.1", "-p", str(port), ZONE, "SOA", "+time=1", "+tries=1", "+short")
            return bool(subprocess.run(("dig", *words), capture_output=True, check=False).stdout)

        until(answers, "the name server")
        yield dns


@dataclass
class StandIn:
    """external-dns 0.23 with its source `service`, the registry `txt` and the policy `sync`.

    A target replaces the addresses of the Service. Names that would have a CNAME beside addresses
    lose the CNAME. A CNAME that is to become addresses is deleted first, and the addresses come
    with the next round.
    """

    place: Place
    legacy: bool = False
    zone: Records = frozenset()
    seen: list[Records] = field(default_factory=list)

    def turn(self) -> None:
        """One round."""
        wanted = frozenset(
            record for service in self.place.services() for record in self._endpoints(service)
        )
        names = {record.name for record in wanted if record.kind != "CNAME"}
        wanted = frozenset(r for r in wanted if r.kind != "CNAME" or r.name not in names)
        cnames = {record.name for record in self.zone if record.kind == "CNAME"}
        blocked = cnames & names
        after = frozenset(record for record in wanted if record.name not in blocked)
        if after != self.zone:
            self.zone = after
            self.seen.append(after)

    def records(self) -> Records:
        """The zone."""
        return self.zone

    def states(self) -> list[Records]:
        """The zone after each change."""
        return list(self.seen)

    def _endpoints(self, service: dict) -> Iterator[Record]:
        annotations = service["metadata"].get("annotations") or {}

        def of(key: str) -> list[str]:
            prefixes = (NEW, OLD) if self.legacy else (NEW,)
            text = next((annotations[p + key] for p in prefixes if p + key in annotations), "")
            return [word.strip().rstrip(".") for word in text.split(",") if word.strip()]

        for name in of("hostname"):
            for target in of("target") or addresses(service):
                yield Record(name, _kind(target), target)


@contextmanager
def dns_stand_in(place: Place, directory: Path, *, legacy: bool = False) -> Iterator[StandIn]:
    """Ours."""
    yield StandIn(place, legacy)


def _kind(target: str) -> str:
    try:
        return "AAAA" if ip_address(target).version == 6 else "A"
    except ValueError:
        return "CNAME"


def _read(text: str) -> Records:
    matches = (_RECORD.match(line) for line in text.splitlines())
    found = (Record(match["name"], match["kind"], match["value"]) for match in matches if match)
    return frozenset(record for record in found if record.name != f"ns.{ZONE}")
