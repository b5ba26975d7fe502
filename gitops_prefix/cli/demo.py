"""`demo`: the daemon's real loop over a temporary repository and a rehearsed router."""

import logging
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from gitops_prefix.cli.options import Command, option
from gitops_prefix.cli.output import DONE, colour_diff
from gitops_prefix.cli.worktree import shipped
from gitops_prefix.daemon.branch import BranchPublisher
from gitops_prefix.daemon.clocks import Wakeup
from gitops_prefix.daemon.decisions import Decisions
from gitops_prefix.daemon.loop import Loop
from gitops_prefix.daemon.metrics import Metrics
from gitops_prefix.daemon.outcome import Outcome, Pushed, UpToDate
from gitops_prefix.decide.advertisement import (
    Preference,
    PrefixInformation,
    Router,
    RouterAdvertisement,
)
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.errors import OutsideError
from gitops_prefix.plan.ears import Advertised
from gitops_prefix.publish.git import Git
from gitops_prefix.publish.repository import Repository
from gitops_prefix.watch.codec import decode, encode

_A, _B = Prefix.parse("2001:db8:1234::/64"), Prefix.parse("2001:db8:5678::/64")
_SCENES = (
    ("The router advertises a first prefix", _A, ()),
    ("A reconnect: the ISP gave another one", _B, ()),
    ("And another night, the first one is back", _A, (_B,)),
)
_BRANCH = "main"


@click.command("demo", cls=Command)
@option("--keep", is_flag=True, help="Keep the temporary repository, to look at.")
def command(*, keep: bool) -> int:
    """Show the whole way on an embedded default: no root, no network, no cluster.

    A bare repository is made from examples/plain, and the daemon's loop watches it.
    Router Advertisements, as bytes through the real codec, announce one prefix, then
    another, then the first again; each commit is shown as it lands.
    """
    with _workshop(keep=keep) as workshop:
        remote = _make_remote(workshop)
        repository = Repository(workshop / "clone", str(remote), _BRANCH)
        repository.open()
        try:
            _play(repository, Git(remote))
        finally:
            repository.close()
        _say_where_next(remote, keep=keep)
    return DONE


@contextmanager
def _workshop(*, keep: bool) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="gitops-prefix-demo-"))
    try:
        yield directory
    finally:
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)


def _make_remote(workshop: Path) -> Path:
    """A bare repository whose first commit is the example."""
    tree, remote = workshop / "example", workshop / "home-ops.git"
    shutil.copytree(shipped("examples") / "plain", tree)
    identity = ("-c", "user.name=You", "-c", "user.email=you@example.com")
    work = Git(tree)
    work.run("init", "--quiet", "--template=", f"--initial-branch={_BRANCH}", ".")
    work.run("add", "--all", ".")
    work.run(*identity, "commit", "--quiet", "--message=the example")
    Git(workshop).run("clone", "--quiet", "--bare", "--", str(tree), str(remote))
    return remote


def _play(repository: Repository, remote: Git) -> None:
    logging.getLogger("gitops_prefix").addHandler(logging.NullHandler())
    metrics, wakeup = Metrics(), Wakeup()
    decisions = Decisions(metrics, time.monotonic, wakeup.nudge)
    loop = Loop(BranchPublisher(repository), decisions, metrics, wakeup=wakeup)
    interface = _first_pass(loop)
    clock = time.monotonic
    began = clock()
    for title, prefix, deprecated in _SCENES:
        click.secho(f"\n* {title}: {prefix}", bold=True)
        packet = advertisement([prefix], deprecated=deprecated)
        decoded = decode(packet, source=ROUTER, hop_limit=255)
        if not isinstance(decoded, RouterAdvertisement):
            raise OutsideError(f"the rehearsed advertisement was refused: {decoded}")
        heard = clock()
        router = Router(interface, "fe80::1")
        decisions.take(Advertised(router, decoded, heard, repeated=False))
        outcome = loop.run_once()
        _show(outcome, remote, clock() - heard)
    quiet = loop.run_once()
    click.secho("\n* Nothing new on the link", bold=True)
    click.echo(f"  the next pass: {quiet.result}, no commit")
    click.echo(f"  all of it took {clock() - began:.1f} s")


def _first_pass(loop: Loop) -> str:
    """Read the repository, and learn which link it names."""
    outcome = loop.run_once()
    if not isinstance(outcome, UpToDate):
        raise OutsideError(f"the example cannot be read: {outcome.failed}")
    watched = next(iter(loop.watched.values()))
    return watched.specification.acquisition.interfaces[0]


def _show(outcome: Outcome, remote: Git, seconds: float) -> None:
    if not isinstance(outcome, Pushed):
        raise OutsideError(f"nothing was published: {outcome.result} {outcome.failed}")
    shown = remote.run("show", "--stat=80", "--patch", "--format=%h %s%n%n%b", _BRANCH)
    click.echo(colour_diff(shown.stdout.decode(errors="replace")))
    click.secho(
        f"  from the advertisement to the commit on the remote: {seconds * 1000:.0f} ms", fg="cyan"
    )


def _say_where_next(remote: Path, *, keep: bool) -> None:
    click.secho("\nWhere to look next", bold=True)
    in_checkout = (Path(__file__).parents[2] / "Makefile").exists()
    if in_checkout and shutil.which("gitops-prefix") is None:
        click.echo("  make install                              the command, in .venv/bin")
    click.echo("  gitops-prefix observe --interface eth0    what your own router advertises")
    click.echo("  gitops-prefix init --for flux             manifests to start from")
    click.echo("  docs/deploy.md                            running it in a cluster")
    if keep:
        click.echo(f"  git -C {remote} log -p    these commits again")


ROUTER = bytes.fromhex("fe800000000000000000000000000001")
"""fe80::1, the link-local source of the rehearsed router."""


def advertisement(
    prefixes: Iterable[Prefix],
    *,
    valid_lifetime: int = 86400,
    preferred_lifetime: int = 14400,
    deprecated: Iterable[Prefix] = (),
) -> bytes:
    """The ICMPv6 message of a router that announces `prefixes`, on-link and autonomous.

    `deprecated` are announced, too, with a preferred lifetime of 0.

    Lifetimes are seconds. The checksum is 0: in the daemon the kernel has checked it before
    the codec sees the message.
    """
    announced = tuple(
        PrefixInformation(prefix, True, True, valid_lifetime, preferred_lifetime)  # noqa: FBT003
        for prefix in prefixes
    ) + tuple(
        PrefixInformation(prefix, True, True, valid_lifetime, 0)  # noqa: FBT003
        for prefix in deprecated
    )
    said = RouterAdvertisement(
        hop_limit=64,
        managed=False,
        other=False,
        preference=Preference.MEDIUM,
        router_lifetime=1800,
        reachable_time=0,
        retrans_timer=0,
        prefixes=announced,
    )
    return encode(said)
