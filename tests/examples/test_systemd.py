"""The units: what systemd makes of them, how little they may do."""

import configparser
import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import click
import pytest

from gitops_prefix.cli.commands import cli
from tests import netns
from tests.examples.repositories import ROOT
from tests.git_servers import ssh_server
from tests.gitrepo import example, git
from tests.parts import require

HERE = ROOT / "examples" / "systemd"
SERVICES = sorted(HERE.glob("*.service"))
UNITS = [*SERVICES, *HERE.glob("*.timer")]
MOST_EXPOSED = 1.5
"""What Router Advertisements and Git need comes to 1.5: the network and its host's name space for
it (PrivateNetwork 0.5, AF_INET6 0.3, PrivateUsers 0.2), an IPAddressDeny that only the host can
fill in (0.2), and eight of 0.1 or less. One more of 0.2 would have to be argued for."""


class Repeating(dict):
    """A key of a unit that stands there twice has two values."""

    def __setitem__(self, key, value):
        if isinstance(value, list) and key in self:
            self[key].extend(value)
        else:
            super().__setitem__(key, value)


def read(unit: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False, dict_type=Repeating, interpolation=None)
    parser.optionxform = str
    parser.read_string(unit.read_text())
    return parser


def settings(unit: Path) -> dict[str, list[str]]:
    return {key: text.split("\n") for key, text in read(unit)["Service"].items()}


@pytest.mark.parametrize("unit", UNITS, ids=lambda one: one.name)
def test_systemd_understands_every_line(unit, tmp_path):
    """It only warns of what it does not know: not a word may be said."""
    require("systemd")
    program = Path(sys.executable).with_name("gitops-prefix")
    assert program.exists()
    for each in UNITS:
        text = each.read_text().replace("/opt/gitops-prefix/bin/gitops-prefix", str(program))
        (tmp_path / each.name).write_text(text)
    answer = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit.name)],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    ours = [line for line in answer.stderr.splitlines() if "gitops-prefix" in line]
    assert (answer.returncode, ours) == (0, []), answer.stderr


@pytest.mark.parametrize("unit", SERVICES, ids=lambda one: one.name)
def test_a_unit_is_exposed_as_little_as_it_can_be(unit):
    require("systemd")
    words = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
    words += [f"--threshold={MOST_EXPOSED * 10:.0f}", str(unit)]
    answer = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120)
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", answer.stdout)
    print(f"{unit.name}: exposure {exposure}")
    assert answer.returncode == 0, answer.stdout


def test_both_services_are_held_as_tightly():
    """What begins with these is about how it is started and ended; the rest is the same."""
    started = ("Type", "ExecStart", "Restart", "Watchdog", "Timeout", "Environment")
    tight = [
        {key: text for key, text in settings(unit).items() if not key.startswith(started)}
        for unit in SERVICES
    ]
    assert tight[0] == tight[1]
    assert {"CapabilityBoundingSet", "DynamicUser", "SystemCallFilter"} <= tight[0].keys()


@pytest.mark.parametrize("unit", SERVICES, ids=lambda one: one.name)
def test_every_option_of_a_unit_is_one_of_run(unit):
    """On the command line, and as variables; what they name is where systemd puts it."""
    found = settings(unit)
    program, *words = shlex.split(found["ExecStart"][0])
    assert program == "/opt/gitops-prefix/bin/gitops-prefix"
    command = cli.get_command(click.Context(cli), "run")
    options = {name for one in command.params for name in one.opts}
    variables = {one.envvar for one in command.params if one.envvar}
    assert words[0] == "run"
    assert {word.partition("=")[0] for word in words[1:]} <= options
    for text in re.findall(r"^Environment=(.*)$", unit.read_text(), re.MULTILINE):
        assert text.partition("=")[0] in variables
    loaded = dict(
        text.split(":", 1)
        for text in re.findall(r"^LoadCredential=(.*)$", unit.read_text(), re.MULTILINE)
    )
    named = set(re.findall(r"%d/(\w+)", unit.read_text()))
    assert named == loaded.keys()
    assert f"%S/{found['StateDirectory'][0]}/" in unit.read_text()


def test_the_timer_starts_the_service_of_its_name():
    (timer,) = HERE.glob("*.timer")
    assert timer.with_suffix(".service") in SERVICES


def call_names(*sets: str) -> set[str]:
    """The system calls of systemd's sets, with those in sets of sets."""
    names: set[str] = set()
    for one in sets:
        words = ["systemd-analyze", "syscall-filter", "--no-pager", one]
        answer = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120)
        lines = [line.strip() for line in answer.stdout.splitlines()[1:]]
        found = {line for line in lines if line and not line.startswith("#")}
        inner = {name for name in found if name.startswith("@")}
        names |= (found - inner) | (call_names(*inner) if inner else set())
    return names


def may_call(unit: Path) -> set[str]:
    """What SystemCallFilter lets through: a list, and a list of what is not in it."""
    allowed, denied = settings(unit)["SystemCallFilter"]
    assert denied.startswith("~")
    return call_names(*allowed.split()) - call_names(*denied.removeprefix("~").split())


def test_a_publication_over_ssh_needs_one_capability_and_calls_nothing_that_is_refused(tmp_path):
    """Everything that the daemon, git and ssh ask of the kernel, with a real router on the link."""
    require("systemd", "strace", "netns", "radvd", "ssh")
    remote, log = example("plain", tmp_path), tmp_path / "strace"
    with ExitStack() as stack:
        lab = stack.enter_context(netns.lab())
        stack.enter_context(netns.Radvd(lab, tmp_path).advertising("2001:db8:5::/64"))
        server = stack.enter_context(ssh_server(tmp_path / "sshd", start=lab.node.start))
        words = ["setpriv", "--no-new-privs", "--bounding-set=-all,+net_raw", "--inh-caps=-all"]
        words += [
            "strace",
            "-f",
            "-qq",
            "-o",
            str(log),
            sys.executable,
            "-m",
            "gitops_prefix",
            "run",
        ]
        words += ["--once", "--wait=100s", "--interface=eth0", "--listen=127.0.0.1:8080"]
        words += ["--repo", server.url(remote), "--clone-dir", str(tmp_path / "clone")]
        words += ["--ssh-key", str(server.credentials.key)]
        words += ["--known-hosts", str(server.credentials.known_hosts)]
        lab.node.run(*words)
    assert len(git(remote, "log", "--format=%H", "main").split()) == 2
    lines = log.read_text(errors="replace")
    called = set(re.findall(r"^\d+ +(\w+)\(", lines, re.MULTILINE))
    assert {"socket", "execve", "connect"} <= called
    for unit in SERVICES:
        assert called <= may_call(unit)
