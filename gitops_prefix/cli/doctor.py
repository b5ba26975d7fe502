"""`doctor`: would `run` with these options work here? One line a check, each with its remedy.

Nothing is published or applied: the push is git's dry run, and the API server is asked
what it would allow.
"""

import contextlib
import errno
import os
import queue
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import click

from gitops_prefix.apply.policy import ApplyMode
from gitops_prefix.cli.assembly import Assembly, assemble, default_clone_dir
from gitops_prefix.cli.manifests import Directory, find_problems
from gitops_prefix.cli.options import (
    Command,
    config_option,
    directory_argument,
    output_option,
    settings_option,
)
from gitops_prefix.cli.output import DONE, NO, Format, colour_wish, print_json, printable
from gitops_prefix.cli.rules import pushes_elsewhere
from gitops_prefix.cli.settings import RepositorySettings, RunSettings
from gitops_prefix.cli.sightings import Sighting, findings, from_link
from gitops_prefix.daemon.server import parse_listen
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.specification import Acquisition
from gitops_prefix.errors import InputError, OutsideError, Severity
from gitops_prefix.plan.plan import read_repository
from gitops_prefix.publish.clone import is_taken
from gitops_prefix.publish.credentials import local_path
from gitops_prefix.publish.failure import Failed, Reason, failed_by
from gitops_prefix.publish.repository import Repository
from gitops_prefix.publish.scrub import redact
from gitops_prefix.publish.stages import Stage
from gitops_prefix.render.inventory import Inventory

_UNREAD = {"skipped-file", "annotation-elsewhere", "unknown-annotation", "unused-annotation"}
"""Warnings of what somebody meant for us, and that nothing reads."""


_REMEDIES = {
    Reason.DNS: "correct the host of --repo, or the name servers of this machine",
    Reason.TIMEOUT: "look at the network and the firewall between here and that host",
    Reason.UNREACHABLE: "look at the network and the firewall between here and that host",
    Reason.LOCAL: "look at the disk of --clone-dir, and at the git of this machine",
    Reason.SERVER: "ask again later: the Git host has trouble, or asks for fewer requests",
}
"""What else than the key or the token may keep a remote from being read."""


class Finding(StrEnum):
    """What a check found."""

    OK = "ok"
    WRONG = "wrong"
    SKIPPED = "skipped"


class Check(NamedTuple):
    """One line.

    Attributes:
        words: what was found.
        remedy: what to do about it; empty when it is right, or the words say it.
    """

    name: str
    answer: Finding
    words: str
    remedy: str = ""


class Right(NamedTuple):
    """What the API server must allow."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


@click.command("doctor", cls=Command)
@directory_argument
@config_option
@settings_option(RunSettings, required=False)
@output_option(Format.TEXT, Format.JSON)
def command(*, directory: Path, settings: RunSettings, form: Format) -> int:
    """Check whether `run` with the same options would work on this machine.

    Checks the options, git, the remote (reading and writing), the clone directory, the addresses
    to listen on, the DynamicPrefixes on the branch, each link and file, and what the API server
    allows. Without --repo the manifests are those below DIR. Exit code 1 when something is wrong.
    """
    checks: list[Check] = []
    for found in _checks(directory, settings):
        check = found._replace(words=redact(found.words))
        checks.append(check)
        if form is Format.TEXT:
            _print(check)
    wrong = sum(check.answer is Finding.WRONG for check in checks)
    if form is Format.JSON:
        print_json({"checks": [check._asdict() for check in checks]})
    else:
        click.echo(f"{len(checks)} checks, {wrong} wrong", err=True)
    return NO if wrong else DONE


def _print(check: Check) -> None:
    colours = {Finding.OK: "green", Finding.WRONG: "red", Finding.SKIPPED: "yellow"}
    mark = click.style(f"{check.answer:<8}", fg=colours[check.answer])
    click.echo(f"{mark}{check.name:<14} {printable(check.words)}", color=colour_wish())
    if check.remedy:
        click.echo(f"{'':<23}{printable(check.remedy)}")


def _checks(directory: Path, settings: RunSettings) -> Iterator[Check]:
    git = _git()
    yield git
    with tempfile.TemporaryDirectory(prefix="gitops-prefix-doctor-") as scratch:
        # The clone of a daemon that runs here is that daemon's.
        yield from _clone_dir(settings.repository)
        where = replace(settings.repository, clone_dir=Path(scratch) / "clone")
        settings = replace(settings, repository=where)
        made = None
        if git.answer is Finding.OK:
            made = yield from _options(settings)
            yield from _addresses(settings)
        inventory: Inventory | None = None
        if not where.repo:
            yield Check("remote", Finding.SKIPPED, f"no --repo: the manifests below {directory}")
            try:
                inventory = Directory(directory, where.path, where.exclude).read()[1]
            except InputError as error:
                for problem in error.problems:
                    yield Check("manifests", Finding.WRONG, f"{problem} [{problem.code}]")
        elif made is not None:
            files = yield from _repository(
                made.repository,
                signs=bool(settings.commits.signing_key),
                signers=settings.commits.require_signed_parent,
                below=where.path,
                proposes=pushes_elsewhere(settings.proposals),
            )
            inventory = None if files is None else read_repository(files)
    if inventory is None:
        words = "mend what is wrong above: the manifests could not be read"
        yield Check("manifests", Finding.SKIPPED, words)
        return
    yield from _dynamic_prefixes(inventory)
    yield from _files(settings, inventory)
    yield from _delegations(settings, inventory)
    yield from _boxes(inventory)
    yield from _updates(settings, inventory)
    yield from _links(settings, inventory)
    yield from _cluster(settings, inventory)


def _options(settings: RunSettings) -> Generator[Check, None, Assembly | None]:
    """Put the daemon together, as `run` does; None where that cannot be done, or without --repo."""
    try:
        made = assemble(settings)
    except InputError as error:
        for problem in error.problems:
            yield Check("options", Finding.WRONG, f"{problem} [{problem.code}]")
        return None
    except OutsideError as error:
        yield Check("options", Finding.WRONG, str(error))
        return None
    yield Check("options", Finding.OK, "they go together")
    return made


def _clone_dir(where: RepositorySettings) -> Iterator[Check]:
    """What would keep `run` from making its clone; nothing is made here."""
    if not where.repo:
        return
    wanted = where.clone_dir or default_clone_dir(where.repo, where.branch)
    # Unlike Path.exists, these never raise.
    there = next(path for path in (wanted, *wanted.absolute().parents) if os.path.lexists(path))
    remedy = "name a directory of yours with --clone-dir"
    if not os.path.isdir(there):  # noqa: PTH112  see above
        yield Check(
            "clone", Finding.WRONG, f"--clone-dir {wanted}: {there} is no directory", remedy
        )
    elif not os.access(there, os.W_OK | os.X_OK):
        words = f"--clone-dir {wanted}: uid {os.geteuid()} may not write to {there}"
        yield Check("clone", Finding.WRONG, words, remedy)
    elif there == wanted and os.access(there, os.R_OK) and is_taken(there):
        yield Check("clone", Finding.WRONG, f"--clone-dir {wanted} holds something else", remedy)


def _addresses(settings: RunSettings) -> Iterator[Check]:
    """What would keep `run` from listening; a port that is taken may be taken by that daemon."""
    places = (
        ("--listen", settings.pace.listen),
        ("--webhook-listen", settings.updates.webhook_listen),
    )
    for option, place in places:
        if not place:
            continue
        try:
            host, port = parse_listen(place, option)
            family, kind, *_, address = socket.getaddrinfo(
                host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            with socket.socket(family, kind) as door:
                door.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                words = f"{option} {place}: {error.strerror or error}"
                remedy = (
                    "write a port above 1023, or give it the capability NET_BIND_SERVICE"
                    if error.errno == errno.EACCES
                    else "write an address of this machine, as in 127.0.0.1:8080"
                )
                yield Check("listen", Finding.WRONG, words, remedy)
        except InputError:
            continue  # one of the options, which are checked


def _git() -> Check:
    program = shutil.which("git")
    if program is None:
        return Check("git", Finding.WRONG, "there is no git", "install it: apt install git")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return Check("git", Finding.OK, version.stdout.strip().removeprefix("git version "))


def _repository(
    repository: Repository, *, signs: bool, signers: Path | None, below: str, proposes: bool
) -> Generator[Check, None, Mapping[str, bytes] | None]:
    """Open, read and rehearse a push; returns the managed files of the branch, or None."""
    try:
        repository.open()
    except (InputError, OutsideError) as error:
        name = "signing" if "signing" in str(error) else "remote"
        yield Check(name, Finding.WRONG, str(error))
        return None
    with contextlib.closing(repository):
        if signs:
            yield Check("signing", Finding.OK, "the key signs")
        try:
            repository.fetch()
            tip = repository.tip or ""
            files = repository.managed_files(tip)
        except InputError as error:
            yield Check("remote", Finding.WRONG, str(error))
            return None
        except OutsideError as error:
            cause = failed_by(error, Stage.FETCH).reason
            remedy = _REMEDIES.get(cause, "docs/auth.md has each way to log in")
            yield Check("remote", Finding.WRONG, str(error), remedy)
            return None
        counted = "1 managed file" if len(files) == 1 else f"{len(files)} managed files"
        words = f"{repository.branch} is at {tip[:12]}, with {counted}"
        yield Check("remote", Finding.OK, words)
        if below and not files and (reason := repository.why_no_directory(below)):
            remedy = "name a directory that is there, from the root of the repository"
            yield Check("path", Finding.WRONG, f'--path "{below}" {reason}', remedy)
        if signers is not None:
            fault = repository.fault_of_tip()
            yield Check(
                "signed parent",
                Finding.WRONG if fault else Finding.OK,
                fault or f"{tip[:12]} verifies by {signers}",
            )
        report = repository.rehearse_push()
        if not proposes and _is_checked_out(repository.url, repository.branch):
            words = f"{repository.branch} is checked out there, and git refuses a push to it"
            remedy = "name a bare repository: git clone --bare"
            yield Check("push", Finding.WRONG, words, remedy)
        elif isinstance(report, Failed):
            remedy = "give the key or the token the right to write, or use --push-branch"
            yield Check("push", Finding.WRONG, report.words, remedy)
        else:
            yield Check("push", Finding.OK, "the remote lets us push (hooks were not asked)")
        return files


def _is_checked_out(url: str, branch: str) -> bool:
    """Whether a branch is that of a work tree on this machine (receive.denyCurrentBranch)."""
    path = local_path(url)
    if path is None:
        return False

    def ask(*words: str) -> str:
        command = ["git", "-C", str(path), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    return (
        ask("rev-parse", "--is-bare-repository") == "false"
        and ask("symbolic-ref", "--short", "HEAD") == branch
        and ask("config", "receive.denyCurrentBranch") in {"", "true", "refuse"}
    )


def _dynamic_prefixes(inventory: Inventory) -> Iterator[Check]:
    """What `validate` calls an error, and each DynamicPrefix."""
    found = inventory.problems if inventory.stopped else find_problems(inventory)
    errors = [problem for problem in found if problem.severity is Severity.ERROR]
    for problem in errors:
        yield Check("manifests", Finding.WRONG, f"{problem} [{problem.code}]")
    for problem in found:
        if problem.code in _UNREAD:
            yield Check("manifests", Finding.SKIPPED, f"{problem} [{problem.code}]")
    if not inventory.dynamic_prefixes and not errors:
        remedy = "`gitops-prefix init` writes one; --path and --exclude say where it is searched"
        yield Check("manifests", Finding.WRONG, "there is no DynamicPrefix", remedy)
    for name, document in inventory.dynamic_prefixes.items():
        bound = sum(binding.dynamic_prefix == name for binding in inventory.bindings)
        acquisition = document.specification.acquisition
        source = _sources_of(acquisition)
        if not source:
            words = "no source: it waits for ever"
            remedy = "write spec.acquisition.routerAdvertisement.interface"
            yield Check(name, Finding.WRONG, words, remedy)
        elif not bound:
            remedy = "annotate a manifest with dynamic-prefix.io/name (docs/annotations.md)"
            yield Check(name, Finding.WRONG, f"{source}; nothing follows it", remedy)
        else:
            counted = "1 field follows it" if bound == 1 else f"{bound} fields follow it"
            yield Check(name, Finding.OK, f"{source}; {counted}")


def _sources_of(acquisition: Acquisition) -> str:
    """Every source in its order; empty without any."""
    links, kernel = acquisition.watched_links, acquisition.watched_kernel
    delegation, box = acquisition.watched_delegation, acquisition.watched_fritzbox
    named = (
        f"static {acquisition.static}" if acquisition.static else "",
        f"DHCPv6 on {delegation.interface}" if delegation else "",
        f"the FRITZ!Box {box}" if box else "",
        "updates over HTTP" if acquisition.watched_webhook else "",
        f"the file {acquisition.watched_file}" if acquisition.watched_file else "",
        f"advertisements on {', '.join(links)}" if links else "",
        f"what the kernel has on {kernel}" if kernel else "",
    )
    return ", else ".join(filter(None, named))


def _files(settings: RunSettings, inventory: Inventory) -> Iterator[Check]:
    """Each file that `run` would watch: can it be read, and does it hold a prefix?"""
    from gitops_prefix.watch.prefix_file import read_file  # noqa: PLC0415  ctypes is 1 MiB

    documents = inventory.dynamic_prefixes.values()
    for path in dict.fromkeys(
        document.specification.acquisition.watched_file for document in documents
    ):
        if not path:
            continue
        try:
            content = read_file(path, settings.pace.source_dir)
        except ValueError as error:
            remedy = "docs/sources.md has the format"
            if settings.pace.source_dir is None:
                remedy = "give --source-dir DIR"
            yield Check(path, Finding.WRONG, str(error), remedy)
        else:
            words = ", ".join(str(found.prefix) for found in content.prefixes)
            yield Check(path, Finding.OK, f"holds {words}")


def _delegations(settings: RunSettings, inventory: Inventory) -> Iterator[Check]:
    """Each DHCPv6 server that could delegate; nothing is taken from it."""
    from gitops_prefix.watch.dhcpv6 import ask_servers  # noqa: PLC0415  hashlib loads OpenSSL

    seconds = settings.pace.wait.total_seconds()
    for document in inventory.dynamic_prefixes.values():
        asked = document.specification.acquisition.watched_delegation
        if asked is None:
            continue
        link = settings.pace.interface or asked.interface
        label = f"DHCPv6 on {link}"
        try:
            answers = ask_servers(link, asked.length, seconds, clock=time.monotonic)
            found = next((each for each in answers if each.prefixes), None)
        except OutsideError as error:
            yield Check(label, Finding.WRONG, str(error))
            continue
        if found is None:
            words = f"no server delegates a prefix within {seconds:g} s"
            remedy = f"`gitops-prefix observe --dhcpv6 --interface {link}` shows each answer"
            yield Check(label, Finding.WRONG, words, remedy)
        else:
            listed = ", ".join(str(each.prefix) for each in found.prefixes)
            words = f"{found.source} delegates {listed}"
            yield Check(label, Finding.OK, words)


def _boxes(inventory: Inventory) -> Iterator[Check]:
    """Each FRITZ!Box: does it answer, and has it a prefix?"""
    from gitops_prefix.watch.fritzbox import ask  # noqa: PLC0415  expat and http.client

    acquisitions = (each.specification.acquisition for each in inventory.dynamic_prefixes.values())
    for host in dict.fromkeys(each.watched_fritzbox for each in acquisitions):
        if not host:
            continue
        try:
            yield Check(host, Finding.OK, f"has {ask(host).prefix}")
        except ValueError as error:
            yield Check(host, Finding.WRONG, str(error), "docs/sources.md has what to switch on")


def _updates(settings: RunSettings, inventory: Inventory) -> Iterator[Check]:
    """Whether updates would be taken, where a DynamicPrefix waits for them."""
    hooks = [
        name
        for name, document in inventory.dynamic_prefixes.items()
        if document.specification.acquisition.watched_webhook
    ]
    if hooks and settings.updates.webhook_credentials is None:
        remedy = "give --webhook-credentials (docs/webhook.md)"
        yield Check("updates", Finding.WRONG, f"nobody may send one to {', '.join(hooks)}", remedy)


def _links(settings: RunSettings, inventory: Inventory) -> Iterator[Check]:
    """Each link that `run` would watch: is it there, and does a router speak on it?"""
    acquisitions = [
        document.specification.acquisition for document in inventory.dynamic_prefixes.values()
    ]
    given = settings.pace.interface
    watched = dict.fromkeys(link for each in acquisitions for link in each.watched_links)
    names = ([given] if given else list(watched)) if watched else []
    kernels = dict.fromkeys(each.watched_kernel for each in acquisitions if each.watched_kernel)
    for name in kernels:
        found = findings(name, Counter())
        yield Check(name, Finding.WRONG if found else Finding.OK, "; ".join(found) or "is up")
    if not names:
        return
    broken = {name: found for name in names if (found := findings(name, Counter()))}
    for name, found in broken.items():
        yield Check(name, Finding.WRONG, "; ".join(found))
    try:
        there = [name for name in names if name not in broken]
        heard = hear(there, settings.pace.wait.total_seconds())
    except OutsideError as error:
        yield Check("capability", Finding.WRONG, str(error))
        return
    if heard:
        yield Check("capability", Finding.OK, "NET_RAW: the socket for advertisements opens")
    for name, routers in heard.items():
        seconds = settings.pace.wait.total_seconds()
        if routers:
            yield Check(name, Finding.OK, f"{', '.join(routers)} advertises there")
        else:
            words = f"no Router Advertisement within {seconds:g} s"
            remedy = f"`gitops-prefix observe --interface {name}` says what to look at"
            yield Check(name, Finding.WRONG, words, remedy)


def hear(
    names: Sequence[str], seconds: float, *, until_all: bool = True
) -> dict[str, dict[str, tuple[Prefix, ...]]]:
    """Return, by link, what each router that speaks within so many seconds announces.

    Args:
        names: of links.
        seconds: to listen; at least one, in which a socket says that it may not be opened.
        until_all: end when a router was heard on every link.

    Raises:
        OutsideError: no permission for the raw socket, or it broke.
    """
    heard: dict[str, dict[str, tuple[Prefix, ...]]] = {name: {} for name in names}
    if not names:
        return heard
    with contextlib.closing(
        from_link(names, max(seconds, 1.0), queue.SimpleQueue(), beat=1.0)
    ) as sightings:
        for seen in sightings:
            if isinstance(seen, Sighting) and seen.advertisement is not None:
                prefixes = tuple(found.prefix for found in seen.advertisement.prefixes)
                heard[seen.router.interface][seen.router.address] = prefixes
            if until_all and all(heard.values()):
                break
    return heard


def _cluster(settings: RunSettings, inventory: Inventory) -> Iterator[Check]:
    rights = [*_rights(settings, inventory)]
    if not rights:
        return
    try:
        allowed = _ask_api_server(settings)
        for right in dict.fromkeys(rights):
            group = f".{right.group}" if right.group else ""
            where = f" in {right.namespace}" if right.namespace else ""
            words = f"{right.verb} {right.resource}{group} {right.name}".rstrip() + where
            if allowed(right):
                yield Check("API server", Finding.OK, words)
            else:
                remedy = "docs/deploy.md has the role of each mode"
                yield Check("API server", Finding.WRONG, f"{words} is not allowed", remedy)
    except (InputError, OutsideError) as error:
        yield Check("API server", Finding.WRONG, str(error))


def _rights(settings: RunSettings, inventory: Inventory) -> Iterator[Right]:
    """What the modes in use need: the rules of the chart's roles."""
    if settings.direct.apply is not ApplyMode.NEVER:
        kinds = {
            (binding.manifest.group, _plural(binding.kind), binding.namespace)
            for binding in inventory.bindings
            if binding.kind
        }
        for group, resource, namespace in sorted(kinds):
            for verb in ("get", "patch"):
                yield Right(verb, group, resource, namespace)
    yield from _reconcile_rights(settings)
    if settings.notices.events:
        yield Right("create", "events.k8s.io", "events")
    if settings.lease.leader_elect:
        from gitops_prefix.apply.kube_config import own_namespace  # noqa: PLC0415

        lease = settings.lease
        namespace = lease.lease_namespace or own_namespace()
        for verb, name in (("create", ""), ("get", lease.lease_name), ("update", lease.lease_name)):
            yield Right(verb, "coordination.k8s.io", "leases", namespace, name)


def _plural(kind: str) -> str:
    """The resource of a kind, as controller-gen names it."""
    word = kind.lower()
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "ch", "sh")) else f"{word}s"


def _reconcile_rights(settings: RunSettings) -> Iterator[Right]:
    """Asking for a look; and direct apply waits until the reconciler has the commit."""
    applies = settings.direct.apply is not ApplyMode.NEVER
    for reconciled in settings.notices.request_reconcile:
        group, _, _ = reconciled.api_version.rpartition("/")
        # The roles name the objects, so a question about all of them would be refused.
        asked = Right("patch", group, reconciled.plural, reconciled.namespace, reconciled.name)
        yield asked
        if applies and reconciled.kind == "Application":
            yield asked._replace(verb="get")
        elif applies:
            for verb in ("get", "list", "patch"):
                group = "kustomize.toolkit.fluxcd.io"
                yield Right(verb, group, "kustomizations", reconciled.namespace)


def _ask_api_server(settings: RunSettings) -> Callable[[Right], bool]:
    from gitops_prefix.apply.kube import Connection  # noqa: PLC0415  62 MiB

    access = settings.cluster.access()
    connection = Connection(access.kubeconfig, access.context)

    def allowed(right: Right) -> bool:
        attributes = right._asdict()
        review: Mapping[str, object] = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = connection.request("post", path, body=review)
        return bool(answer.get("status", {}).get("allowed"))

    return allowed
