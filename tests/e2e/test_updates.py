"""`/update`: a router sends its prefix over HTTP, and the branch has it. curl is the router."""

import re
import socket
import subprocess
import zlib
from collections.abc import Callable
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.git_servers import free_port
from tests.netns import until
from tests.parts import require
from tests.sourced import Sourced

A, B = "2001:db8:12:3400::/56", "2001:db8:56:7800::/56"
USER, PASSWORD = "router", "s3cret of the house"
BOTH = ["--user", f"{USER}:{PASSWORD}"]
HOOK = "webhook: {}\n"


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    path = tmp_path / "credentials"
    path.write_text(f"# the FRITZ!Box\n{USER}:{PASSWORD}\nscript:another\n")
    return path


def curl(url: str, *options: str) -> tuple[str, str]:
    """Status and body, as a router has them."""
    require("curl")
    words = ["curl", "-sS", "-m", "100", "-w", "\n%{http_code}", *options, url]
    answer = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    body, _, status = answer.stdout.rpartition("\n")
    return status, body.strip()


def is_read(url: str, *options: str) -> Callable[[], bool]:
    """Whether the repository was read; whoever asks so often is another client each time."""
    clients = (f"127.0.2.{number % 250 + 1}" for number in count())

    def asked() -> bool:
        answer = curl(f"{url}/update?prefix=::/56", "--interface", next(clients), *options)
        return answer[0] != "503"

    return asked


def listens(port: int) -> Callable[[], bool]:
    def tried() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    return tried


SECRETS = f"user={USER}&password={quote(PASSWORD)}"
ROUTERS = {
    "FRITZ!Box": (f"name=home-ipv6&ip6lanprefix={A}&{SECRETS}", ["-A", "Fritz!Box DDNS/1.0"]),
    "OPNsense, ddclient": ("name=home-ipv6&prefix=2001:db8:12:34ff::1&length=56", BOTH),
    "OpenWrt, ddns-scripts": ("name=home-ipv6&prefix=2001:db8:12:3400::1/56", BOTH),
    "OpenWrt, hotplug": ("", [*BOTH, "-d", f"name=home-ipv6&prefix={A}"]),
    "UniFi, inadyn": ("hostname=home-ipv6&prefix=2001:db8:12:3401::2&length=56", ["-0", *BOTH]),
    "MikroTik, fetch": (f"name=home-ipv6&prefix={quote(A, safe='')}", BOTH),
    "a POST without a body, and without its length": (f"prefix={A}", [*BOTH, "-X", "POST"]),
    "an empty pair beside the query": (
        f"prefix=2001:db8:12:3400::9/56&{SECRETS}",
        ["-H", "Authorization: Basic Og=="],
    ),
    "pfSense, custom": ("prefix=2001:db8:12:3400::9&length=56", BOTH),
}


def test_each_router_is_understood_and_one_change_is_one_commit(tmp_path, credentials):
    house, port = Sourced(tmp_path, HOOK), free_port()
    listen = ("--listen", f"127.0.0.1:{port}", "--webhook-credentials", str(credentials))
    with house.running(*listen):
        until(listens(port), "the daemon listens")
        url = f"http://127.0.0.1:{port}/update"
        until(is_read(f"http://127.0.0.1:{port}", *BOTH), "the repository was read")
        first = True
        for query, options in ROUTERS.values():
            answer = curl(f"{url}?{query}", *options, "-H", "Host: cluster.home.arpa")
            assert answer == ("200", f"{'good' if first else 'nochg'} {A}")
            first = False
        assert house.published(A).endswith("Prefix-Source: webhook")
        before = house.commits()
        assert curl(f"{url}?prefix={B}&{SECRETS}") == ("200", f"good {B}")
        house.published(B)
        assert house.commits() == before + 1
    # A restart: the router says nothing, and the repository knows.
    with house.running(*listen):
        until(listens(port), "the daemon listens")
        until(lambda: curl(f"{url}?prefix={B}&{SECRETS}") == ("200", f"nochg {B}"), "nochg")
    assert house.commits() == before + 1
    log = house.log.read_text()
    assert "s3cret" not in log
    assert quote(PASSWORD) not in log


@pytest.mark.parametrize(
    ("query", "options", "answer"),
    [
        (f"prefix={A}", [], ("401", "badauth")),
        (f"prefix={A}", ["--user", f"{USER}:wrong"], ("401", "badauth")),
        (f"prefix={A}", ["-H", "Authorization: Basic =?="], ("401", "badauth")),
        (f"prefix={A}", ["-H", "Authorization: Basic \u00e9"], ("401", "badauth")),
        ("", ["-H", "Content-Length: \u00b2", "-X", "POST"], ("413", "notfqdn")),
        ("", [*BOTH, "-X", "POST", "-H", "Transfer-Encoding: chunked"], ("413", "notfqdn")),
        (f"prefix={A}", ["-X", "POST"], ("401", "badauth")),
        (f"prefix={A}&user=script&password=", [], ("401", "badauth")),
        (f"name=work&prefix={A}", BOTH, ("404", "nohost")),
        ("", BOTH, ("400", "notfqdn no prefix: send prefix=2001:db8:12:3400::/56")),
        ("ip6lanprefix=", BOTH, ("400", "notfqdn no prefix: send prefix=2001:db8:12:3400::/56")),
        ("prefix=2001:db8::1", BOTH, ("400", "notfqdn no length: send it behind the prefix, or")),
        ("prefix=2001:db8::1/129", BOTH, ("400", "notfqdn the length is not 1 to 128")),
        ("prefix=2001:db8::/0", BOTH, ("400", "notfqdn the length is not 1 to 128")),
        ("prefix=2001:db8::/%D9%A5%D9%A6", BOTH, ("400", "notfqdn the length is not 1 to 128")),
        (f"prefix={A},{B}", BOTH, ("400", "notfqdn the length is not 1 to 128: send one")),
        ("prefix=2001:db8::1/128", BOTH, ("400", "notfqdn 2001:db8::1/128 is longer than /64")),
        (f"PREFIX={A}", BOTH, ("400", "notfqdn no prefix")),
        ("prefix=192.0.2.1/24", BOTH, ("400", "notfqdn '192.0.2.1' is not an IPv6 address")),
        ("prefix=fd00::/56", BOTH, ("400", "notfqdn fd00::/56 is not global unicast")),
        ("prefix=fe80::/64", BOTH, ("400", "notfqdn fe80::/64 is link-local")),
        (f"prefix={A}&x={'y' * 5000}", BOTH, ("414", "notfqdn")),
        ("", [*BOTH, "-d", "x" * 3000], ("413", "notfqdn")),
        ("", ["-X", "PUT"], ("501", "")),
    ],
)
def test_what_is_refused_changes_nothing(refusing, query, options, answer):
    house, url = refusing
    # Each row is another client, so that none is refused for asking too often.
    client = f"127.0.1.{zlib.crc32(repr((query, options)).encode()) % 250 + 1}"
    status, body = curl(f"{url}?{query}", "--interface", client, *options)
    assert status == answer[0]
    assert body.startswith(answer[1])
    assert "s3cret" not in house.log.read_text()


def test_what_is_refused_is_counted_and_logged_with_its_reason(tmp_path, credentials):
    """And the log has nothing of what was sent: a password may stand anywhere in it."""
    house, port = Sourced(tmp_path, HOOK), free_port()
    with house.running("--listen", f"127.0.0.1:{port}", "--webhook-credentials", str(credentials)):
        until(listens(port), "the daemon listens")
        url = f"http://127.0.0.1:{port}"
        until(is_read(url, *BOTH), "the repository was read")
        for query, options in (
            ("prefix=hunter2/56", BOTH),
            (f"prefix={A}", ["--user", "hunter2:hunter2"]),
            (f"name=hunter2&prefix={A}", BOTH),
            ("", [*BOTH, "-d", "hunter2" * 1000]),
        ):
            assert curl(f"{url}/update?{query}", *options)[0].startswith("4")
        metrics = curl(f"{url}/metrics")[1]
        credentials.unlink()
        assert [curl(f"{url}/update", *BOTH)[0] for _ in range(2)] == ["401", "401"]
        log = house.log.read_text()
    counted = re.search(r'source_failures_total{source="webhook"} ([0-9.]+)', metrics)
    assert counted is not None and float(counted[1]) >= 5
    for reason in (
        "notfqdn: what was sent is no IPv6 address",
        "badauth: no such user and password",
        "nohost: no DynamicPrefix of the name that was sent has a webhook",
        "notfqdn: it is longer than 2048 bytes, or does not say how long it is",
    ):
        assert log.count(f"refused an update of 127.0.0.1: {reason}") == 1
    assert log.count("--webhook-credentials: ") == 1
    assert "hunter2" not in log


@pytest.fixture(scope="module")
def refusing(tmp_path_factory):
    directory = tmp_path_factory.mktemp("updates")
    path = directory / "credentials"
    path.write_text(f"{USER}:{PASSWORD}\nscript:another\n")
    house, port = Sourced(directory, HOOK), free_port()
    options = ("--webhook-listen", f"127.0.0.1:{port}", "--webhook-credentials", str(path))
    before = house.commits()
    with house.running(*options):
        until(listens(port), "the daemon listens")
        url = f"http://127.0.0.1:{port}/update"
        until(is_read(f"http://127.0.0.1:{port}", *BOTH), "the repository was read")
        yield house, url
    assert house.commits() == before


def test_an_address_of_its_own_serves_updates_alone_over_tls(tmp_path, credentials):
    words = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    )
    files = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    extra = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(["openssl", *words.split(), *files, *extra], check=True, capture_output=True)
    house, port = Sourced(tmp_path, HOOK), free_port()
    options = ["--webhook-listen", f"127.0.0.1:{port}", "--webhook-credentials", str(credentials)]
    options += ["--webhook-cert", str(tmp_path / "cert"), "--webhook-key", str(tmp_path / "key")]
    with house.running(*options):
        until(listens(port), "the daemon listens")
        trust = ["--cacert", str(tmp_path / "cert"), *BOTH]
        url = f"https://127.0.0.1:{port}"
        until(lambda: curl(f"{url}/update?prefix={A}", *trust)[0] == "200", "an update over TLS")
        house.published(A)
        assert curl(f"{url}/status", *trust)[0] == "404"


def test_more_requests_than_a_router_makes_are_refused(tmp_path, credentials):
    house, port = Sourced(tmp_path, HOOK), free_port()
    options = ("--webhook-listen", f"127.0.0.1:{port}", "--webhook-credentials", str(credentials))
    with house.running(*options):
        until(listens(port), "the daemon listens")
        url = f"http://127.0.0.1:{port}/update"
        asked: list[tuple[str, str]] = []

        def is_refused() -> bool:
            asked.append(curl(f"{url}?prefix={A}", "--user", f"{USER}:{len(asked)}"))
            return asked[-1] == ("429", "abuse")

        # Thirty in a minute: a machine that is busy may take longer for the first of them.
        until(is_refused, "an answer that these are too many")
    assert len(asked) > 30


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("", ["--listen", ":0"], "credentials: it holds no line USER:PASSWORD"),
        ("x\n", ["--listen", ":0"], "credentials:1: write USER:PASSWORD"),
        ("a:\n", ["--listen", ":0"], "credentials:1: write USER:PASSWORD"),
        (None, ["--listen", ":0"], "credentials: No such file or directory"),
        ("a:b\n", [], "nothing takes updates: give --webhook-listen or --listen"),
        ("a:b\n", ["--webhook-listen", ":0", "--webhook-cert", "x"], "belong together"),
        (
            "a:b\n",
            ["--webhook-listen", ":0", "--webhook-cert", "x", "--webhook-key", "y"],
            "--webhook-cert x, --webhook-key y: No such file or directory",
        ),
    ],
)
def test_wrong_options(tmp_path, credentials, content, options, words):
    credentials.unlink() if content is None else credentials.write_text(content)
    house = Sourced(tmp_path, HOOK)
    answer = house.run("--webhook-credentials", str(credentials), *options)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
