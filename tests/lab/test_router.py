"""`lab router` on a real link: our watcher, rdisc6 and the kernel hear it."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests import netns
from tests.parts import require

PROGRAM = [sys.executable, "-m", "gitops_prefix"]
A, B = "2001:db8:1234::/64", "2001:db8:5678::/64"


@pytest.fixture(scope="module")
def lab():
    require("netns")
    with netns.lab() as made:
        yield made


def lab_router(*words: str, interface: str = "lan0") -> list[str]:
    return [*PROGRAM, "lab", "router", "--interface", interface, *words]


def rehearsing(lab, *words: str):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return lab.router.start(*lab_router(*words), **options)


@contextmanager
def observing(lab, *words: str):
    """`observe`, from when its socket is open."""
    words = [
        *PROGRAM,
        "observe",
        "--interface",
        "eth0",
        "--output",
        "json",
        "--timeout",
        "120s",
        *words,
    ]
    with lab.node.start(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as observer:
        netns.until(
            lambda: lab.node.run("cat", "/proc/net/raw6").stdout.count("\n") > 1, "an open socket"
        )
        yield observer


def call(namespace, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        namespace.command(*words), check=False, capture_output=True, text=True, timeout=120
    )


def test_a_renumbering_is_rehearsed(lab):
    """A, then B without a word about A; a solicitation is answered; a goodbye at the end."""
    words = ["--prefix", A, "--then", B, "--after", "1s", "--interval", "60s", "--timeout", "2s"]
    with observing(lab, "--count", "6") as observer, rehearsing(lab, *words) as router:
        said, _ = router.communicate(timeout=120)
        told = []
        for line in observer.stdout:
            told.append(json.loads(line))
            if not told[-1]["router_lifetime"]:
                break
    assert router.returncode == 0
    assert re.findall(r"^\S+ (\S+) \(preferred", said, re.MULTILINE) == [A, B]
    heard = [[found["prefix"] for found in line["prefixes"]] for line in told]
    assert heard[0] == [A]
    assert heard[-1] == [B]
    assert told[-1]["current"] == B
    assert [line["router_lifetime"] for line in told][-2:] == [1800, 0]


def test_who_asks_is_answered(lab):
    """The interval is a minute; rdisc6 has its answer at once, and is of our opinion."""
    require("rdisc6")
    words = [
        "--interval", "60s", "--source", "fe80::1:2", "--router-lifetime", "600s",
        "--preference", "high", "--managed", "--other", "--hop-limit", "55", "--mtu", "1492",
        "--dns", "2001:db8::53", "--prefix", f"{A},valid=10m,preferred=0s,autonomous=no",
    ]  # fmt: skip
    with rehearsing(lab, *words) as router:
        router.stdout.readline()
        theirs = " ".join(call(lab.node, "rdisc6", "-1", "eth0").stdout.split())
        os.killpg(router.pid, signal.SIGTERM)
        said, _ = router.communicate(timeout=120)
    for told in [
        "Hop limit : 55",
        "Stateful address conf. : Yes",
        "Stateful other conf. : Yes",
        "Router preference : high",
        "Router lifetime : 600",
        f"Prefix : {A} On-link : Yes Autonomous address conf.: No Valid time : 600",
        "Pref. time : 0",
        "MTU : 1492 bytes (valid)",
        "Recursive DNS server : 2001:db8::53",
        "from fe80::1:2",
    ]:
        assert told in theirs
    assert router.returncode == 0, "SIGTERM is a good way to leave"
    assert re.search(r"^sent \d+, answered [1-9]\d* solicitations$", said, re.MULTILINE)


def test_the_kernel_takes_an_address_from_it(lab):
    """accept_ra=2: a real host configures itself, and drops the router when it says goodbye."""
    lab.node.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=2")
    words = ["--interval", "0.2s", "--prefix", "2001:db8:9::/64", "--source", "fe80::9"]
    with rehearsing(lab, *words) as router:
        netns.until(
            lambda: "inet6 2001:db8:9:" in call(lab.node, "ip", "-6", "address", "show").stdout,
            "an address from the simulated router",
        )
        assert "via fe80::9" in call(lab.node, "ip", "-6", "route", "show", "default").stdout
        os.killpg(router.pid, signal.SIGINT)
        router.communicate(timeout=120)
        assert router.returncode == 0, "Ctrl-C, too"
    netns.until(
        lambda: not call(lab.node, "ip", "-6", "route", "show", "default").stdout,
        "no default route after the goodbye",
    )


def test_a_crash_says_no_goodbye(lab):
    """What a host sees of a power cut: nothing."""
    with observing(lab) as observer:
        words = ["--prefix", A, "--interval", "0.1s", "--count", "3", "--crash"]
        with rehearsing(lab, *words) as router:
            router.communicate(timeout=120)
        told = [json.loads(observer.stdout.readline()) for _ in range(3)]
        os.killpg(observer.pid, signal.SIGINT)
        told += [json.loads(line) for line in observer.communicate(timeout=120)[0].splitlines()]
    assert [line["router_lifetime"] for line in told] == [1800] * 3


def test_thousands_are_heard_or_counted_as_lost(lab):
    """A thousand a second, and the goodbye: what we did not hear, the kernel says it dropped.

    Faster is a flood, in which routers that do not count are left to the kernel uncounted.
    """
    drops = "d=$(awk 'NR>1 {n += $NF} END {print n+0}' /proc/net/raw6); echo $d"
    with observing(lab) as observer:
        words = ["--prefix", A, "--interval", "1ms", "--count", "3000"]
        with rehearsing(lab, *words) as router:
            said, _ = router.communicate(timeout=120)
        lines: list[str] = []
        for line in observer.stdout:
            lines.append(line)
            if json.loads(line)["router_lifetime"] == 0:
                break
        lost = int(call(lab.node, "sh", "-c", drops).stdout)
    assert "sent 3000," in said
    told = [json.loads(line) for line in lines]
    assert all(line["accepted"] and line["current"] == A for line in told)
    assert len(told) + lost == 3001


def test_a_link_that_people_use_is_refused(lab):
    """Once is not enough; twice is an order."""
    words = ["--prefix", A, "--interval", "0.1s", "--count", "1", "--crash"]
    lab.router.run("ip", "-6", "route", "add", "default", "via", "fe80::77", "dev", "lan0")
    try:
        for insisting in [], ["--yes-really"]:
            answer = call(lab.router, *lab_router(*words, *insisting))
            assert answer.returncode == 2
            assert "default route: IPv6 on lan0" in answer.stderr
            assert "would renumber it" in answer.stderr
        assert call(lab.router, *lab_router(*words, "--yes-really", "--yes-really")).returncode == 0
    finally:
        lab.router.run("ip", "-6", "route", "del", "default", "dev", "lan0")


def test_without_the_capability_it_says_which_one(lab):
    words = ["setpriv", "--bounding-set=-net_raw", *lab_router("--prefix", A)]
    answer = call(lab.router, *words)
    assert answer.returncode == 3
    assert "NET_RAW" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_link_that_is_down_is_not_silently_nothing(lab):
    with netns.lab() as other:
        other.router.run("ip", "link", "set", "lan0", "down")
        answer = call(other.router, *lab_router("--prefix", A))
        assert answer.returncode == 3
        assert "ip link set lan0 up" in answer.stderr
        answer = call(other.router, *lab_router("--prefix", A, "--source", "fe80::1"))
    assert answer.returncode == 3
    assert "cannot send on lan0: Network is down" in answer.stderr


WRONG = {
    "no such link": (["--interface", "nope0"], 'no link "nope0"'),
    "a flood without end": (["--interval", "0s"], "--count or --timeout"),
    "as many --after as --then": (["--then", B, "--after", "1s", "--after", "2s"], "--after is given 2 times for 1"),
    "a source from afar": (["--source", "2001:db8::1"], "is not link-local"),
    "a router for ever": (["--router-lifetime", "1d"], "fit 16 bits"),
    "a prefix twice": (["--prefix", A], "the same prefix twice"),
    "a prefix that is none": (["--prefix", "2001:db8::1/64"], "did you mean"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "said"), WRONG.values(), ids=list(WRONG))
def test_bad_input_is_one_message_and_exit_code_2(words, said):
    answer = subprocess.run(
        [*lab_router("--prefix", A, interface="lo"), *words],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert answer.returncode == 2
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr
