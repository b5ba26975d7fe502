"""`init`: the first manifests, from templates, made to fit the repository they are put into.

It never overwrites: a file that is there stays, but for lines that `--edit` adds.
"""

import os
import re
import socket
import string
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import click

from gitops_prefix import __version__
from gitops_prefix.cli.kustomization import (
    FILE_NAMES,
    FLUX_SYNC,
    Checkout,
    add_resources,
    daemon_elsewhere,
    keyscan,
    kustomization_of,
    missing_above,
    missing_resources,
    remote_of,
    text_of,
)
from gitops_prefix.cli.manifests import Directory
from gitops_prefix.cli.options import (
    DURATION,
    Command,
    OneOf,
    complete_link,
    config_option,
    option,
)
from gitops_prefix.cli.output import DONE
from gitops_prefix.cli.worktree import list_manifests, read_own_file, shipped, write_files
from gitops_prefix.decide.prefix import GLOBAL_UNICAST
from gitops_prefix.decide.reading import read_specification
from gitops_prefix.errors import InputError, Problem
from gitops_prefix.render.files import NEEDLES
from gitops_prefix.render.inventory import Inventory

_SHAPES = {
    "name": (r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", 'use a-z, 0-9 and "-", as in "home-ipv6"'),
    "interface": (r"[^\s/\"\\:]{1,15}", 'write one as `ip link` names it, such as "eth0"'),
}
_ANY = (r"[^\s\"\\]+", "write it without blanks, quotes and backslashes")
_NAME = "home-ipv6"
_INTERFACE = "eth0"
_KUSTOMIZATION = "kustomization.yaml"
_SOURCE = re.compile(
    rb"^kind: GitRepository\b(?:(?!^---)(?s:.))*?^  name: flux-system\b", re.MULTILINE
)
"""What `flux bootstrap` writes; a second one of that name would stop all of Flux."""
_UNREAD = {"not-yaml", "not-utf8"}
_OBJECTS = {"prefix.yaml": "DynamicPrefix", "pool.yaml": "pool", "cidr-group.yaml": "CIDR group"}
_POOLS = {"CiliumLoadBalancerIPPool", "IPAddressPool"}


class Template(string.Template):
    """`${name}` alone is replaced: a bare `$` belongs to YAML, shells and markers."""

    pattern = r"""
        \$(?:
            (?P<escaped>(?!))
          | (?P<named>(?!))
          | \{(?P<braced>[a-z_]+)\}
          | (?P<invalid>(?!))
        )
    """  # type: ignore[assignment]  # typeshed wants what the metaclass makes of it


@click.command("init", cls=Command)
@click.argument(
    "directory", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path)
)
@config_option
@option(
    "--for",
    "reconciler",
    type=OneOf(["flux", "argocd"]),
    default="flux",
    show_default=True,
    help="Who applies the repository.",
)
@option(
    "--name",
    help=f"Name of the DynamicPrefix. [default: that of the only one there is, else {_NAME}]",
)
@option(
    "--interface",
    shell_complete=complete_link,
    help=f"The link that the router is on. [default: what --listen hears, else {_INTERFACE}]",
)
@option(
    "--router",
    "routers",
    metavar="ADDRESS",
    multiple=True,
    help="A router that is believed (its fe80:: address), and no other. May be repeated. "
    "[default: what --listen hears, else all]",
)
@option(
    "--listen",
    type=DURATION,
    metavar="DURATION",
    help='Listen for routers first, as in "5s". Needs NET_RAW, as `observe` does.',
)
@option("--repo", metavar="URL", help="Where the daemon pushes. [default: the remote origin]")
@option("--branch", help="The branch it pushes to. [default: the one checked out, else main]")
@option(
    "--request-reconcile/--no-request-reconcile",
    "request",
    default=True,
    show_default=True,
    help="Let the daemon ask Flux or Argo CD to look after a push. It needs a role for that.",
)
@option("--edit", is_flag=True, help="Add the new files to a kustomization.yaml that is there.")
def command(  # noqa: PLR0913  one parameter an option
    *,
    directory: Path,
    reconciler: str,
    name: str | None,
    interface: str | None,
    routers: tuple[str, ...],
    listen: timedelta | None,
    repo: str | None,
    branch: str | None,
    request: bool,
    edit: bool,
) -> int:
    """Write a DynamicPrefix, a pool, a CIDR group and a deployment to DIR.

    Files that are there already stay as they are. Paths and URL are those of the Git
    repository that DIR is in.
    """
    if listen is not None:
        heard = _heard(listen.total_seconds(), interface)
        interface = interface or next(iter(heard), None)
        if len(heard.get(interface or "", ())) == 1:
            routers = routers or heard[interface or ""]
    checkout = Checkout.around(directory)
    inventory = _inventory(checkout)
    remote = remote_of(checkout, repo)
    values = {
        "name": _name(inventory) if name is None else name,
        "interface": _INTERFACE if interface is None else interface,
        "routers": _routers(routers),
        "repo": remote.url,
        "branch": _branch(checkout) if branch is None else branch,
        "directory": checkout.below,
    }
    _check(values)
    left_out = _left_out(inventory, values["name"], checkout.below)
    if "prefix.yaml" in left_out:
        # Another directory has the DynamicPrefix: a second daemon for it would fight the first.
        left_out |= daemon_elsewhere(checkout)
    asks = request and "gitops-prefix" not in left_out
    sources = ["common", reconciler, *([f"reconcile-{reconciler}"] if asks else [])]
    files = _files(directory, sources, values, left_out)
    _refuse_the_root(checkout, files)
    source = _source_of(checkout) if FLUX_SYNC in files else ""
    if source:
        files[FLUX_SYNC] = _without_source(files[FLUX_SYNC])
    # `os.path` calls missing what may not be looked at: writing then says why.
    new = {
        path: text.encode()
        for path, text in files.items()
        if not os.path.exists(directory / path)  # noqa: PTH110  see above
    }
    added = _additions(directory, files, new)
    edited = _edited(directory, added) if edit else {}
    above = missing_above(checkout, files)
    edited_above = _edited(checkout.root, above) if edit else {}
    before = {path: (directory / path).read_bytes() for path in edited}
    write_files(directory, {**new, **edited}, read=before)
    write_files(checkout.root, edited_above)
    for path in sorted(files):
        did = "wrote" if path in new else "edited" if path in edited else "kept "
        click.echo(f"{did} {directory / path}")
    for path in edited_above:
        click.echo(f"edited {path}")
    _say_what_stays(directory, values["name"], left_out, [p for p in files if p not in new])
    or_else = (
        " yourself (--edit needs a list with an item on each line)" if edit else ", or give --edit"
    )
    _say_what_is_left(directory, {p: a for p, a in added.items() if p not in edited}, or_else)
    _say_what_is_left(Path(), {p: a for p, a in above.items() if p not in edited_above}, or_else)
    if source and FLUX_SYNC in new:
        click.echo(f"skip  GitRepository flux-system: {source} has it")
    if remote.note and new:
        click.echo(f"note: {remote.note}", err=True)
    if files:
        prefix = left_out.get("prefix.yaml", "prefix.yaml")
        _say_what_is_next(directory, values["name"], prefix)
    else:
        click.echo("\nThe repository has all of this elsewhere: nothing was written.", err=True)
    return DONE


def _heard(seconds: float, interface: str | None) -> dict[str, tuple[str, ...]]:
    """Return the routers that announce a global prefix, by link, and print each.

    Raises:
        OutsideError: no permission for the raw socket.
    """
    from gitops_prefix.cli.doctor import hear  # noqa: PLC0415  only --listen needs a socket

    there = [name for _, name in socket.if_nameindex() if name != "lo"]
    links = [interface] if interface else there
    found: dict[str, tuple[str, ...]] = {}
    for name, announced in hear(links, seconds, until_all=False).items():
        for router, prefixes in announced.items():
            said = ", ".join(map(str, prefixes)) or "no prefix"
            click.echo(f"heard {router} on {name}: {said}", err=True)
            if any(GLOBAL_UNICAST.covers(prefix) for prefix in prefixes):
                found[name] = (*found.get(name, ()), router)
    if not found:
        where = ", ".join(links) or "no link"
        click.echo(f"note: no router announced a global prefix on {where}", err=True)
    if len(found) > 1 or any(len(routers) > 1 for routers in found.values()):
        message = "note: that are several; --interface and --router say which of them count"
        click.echo(message, err=True)
    return found


def _routers(routers: tuple[str, ...]) -> str:
    """Return the line of the DynamicPrefix that says which routers are believed.

    Raises:
        InputError: one is not link-local.
    """
    document = {"metadata": {"name": "x"}, "spec": {"acquisition": {
        "routerAdvertisement": {"interface": _INTERFACE, "routers": list(routers)}
    }}}  # fmt: skip
    specification, problems = read_specification(document)
    if problems:
        words = problems[0].message.partition(": ")[2]
        raise InputError(Problem("invalid-value", f"--router: {words}"))
    known = specification.acquisition.routers
    listed = ", ".join(f'"{router}"' for router in known or ("fe80::1",))
    line = f"routers: [{listed}]"
    return f"      {line}" if known else f"      # Believe this router alone: {line}"


def _inventory(checkout: Checkout) -> Inventory:
    """Return what the repository has already.

    Raises:
        InputError: a file cannot be read, so that a second DynamicPrefix or pool might be made.
    """
    # Unlike Path.is_dir, this never raises.
    if not os.path.isdir(checkout.root):  # noqa: PTH112
        return Inventory()
    inventory = Directory(checkout.root).read()[1]
    unread = [
        replace(problem, message=f"{problem.message}; `init` reads it to see what is there already")
        for problem in inventory.problems
        if problem.code in _UNREAD
    ]
    if unread:
        raise InputError(*unread)
    return inventory


def _name(inventory: Inventory) -> str:
    """Of the only DynamicPrefix there is: a second one would take its ranges, too."""
    names = list(inventory.dynamic_prefixes)
    return names[0] if len(names) == 1 else _NAME


def _branch(checkout: Checkout) -> str:
    return checkout.ask("symbolic-ref", "--short", "HEAD") or "main"


def _left_out(inventory: Inventory, name: str, below: str) -> dict[str, str]:
    """Return the files that are not needed, each with the file elsewhere that has the object."""
    here = "" if below == "." else f"{below}/"
    found = {}
    document = inventory.dynamic_prefixes.get(name)
    if document is not None:
        found["prefix.yaml"] = document.path
    for binding in inventory.bindings:
        if binding.dynamic_prefix == name and binding.kind in _POOLS:
            found.setdefault("pool.yaml", binding.path)
        if binding.dynamic_prefix == name and binding.kind == "CiliumCIDRGroup":
            found.setdefault("cidr-group.yaml", binding.path)
    if document is not None and not any(
        part.name == "loadbalancers" for part in document.specification.ranges
    ):
        # Its ranges have other names: the pool would follow one that is not there.
        found.setdefault("pool.yaml", document.path)
    return {path: other for path, other in found.items() if other != f"{here}{path}"}


def _files(
    directory: Path, sources: list[str], values: Mapping[str, str], left_out: Mapping[str, str]
) -> dict[str, str]:
    """Return the files by path; a later source replaces what an earlier one has."""
    below = values["directory"]
    # What somebody else wrote there would be pruned when it goes from its list.
    is_new = not os.path.exists(directory / kustomization_of(directory))  # noqa: PTH110  as above
    filled = {
        **values,
        "version": __version__,
        "keyscan": keyscan(values["repo"]),
        "flux_path": "./" if below == "." else f"./{below}",
        "prune": "true" if is_new else "false",
    }
    files = {
        path: Template(text).safe_substitute(filled)
        for source in sources
        for path, text in _templates(source).items()
        if path not in left_out and path.partition("/")[0] not in left_out
    }
    lines = files[_KUSTOMIZATION].splitlines(keepends=True)
    unlisted = {f"  - {path}\n" for path in left_out}
    files[_KUSTOMIZATION] = "".join(line for line in lines if line not in unlisted)
    if not any(line.startswith("  - ") for line in files[_KUSTOMIZATION].splitlines()):
        del files[_KUSTOMIZATION]
    return {_path_beside(directory, path): text for path, text in files.items()}


def _path_beside(directory: Path, path: str) -> str:
    """Return the path of a kustomization by the name that it has there already."""
    folder, slash, name = path.rpartition("/")
    return f"{folder}{slash}{kustomization_of(directory / folder)}" if name in FILE_NAMES else path


def _refuse_the_root(checkout: Checkout, files: Mapping[str, str]) -> None:
    """Refuse the root of a repository with other manifests: a reconciler would apply all of it.

    Raises:
        InputError: it is the root, and has manifests that are not ours.
    """
    if not checkout.is_git or checkout.below != ".":
        return
    for path in list_manifests(checkout.root):
        relative = path.removeprefix(f"{checkout.root}/")
        hidden = any(part.startswith(".") for part in relative.split("/"))
        if relative not in files and not hidden:
            message = (
                f"{checkout.root} is the root of a Git repository that has other manifests "
                f"({relative}, for one), and a reconciler would apply all of it: name a "
                "directory of its own, as in `gitops-prefix init kubernetes/gitops-prefix`"
            )
            raise InputError(Problem("root-of-repository", message))


def _source_of(checkout: Checkout) -> str:
    """Return the file with the GitRepository of `flux bootstrap`; empty when there is none."""
    for path in list_manifests(checkout.root) if checkout.is_git else ():
        if _SOURCE.search(read_own_file(Path(path)) or b""):
            return path.removeprefix(f"{checkout.root}/")
    return ""


def _without_source(text: str) -> str:
    """Return the Kustomization alone, behind the first lines of the file."""
    head, _, kustomization = text.partition("---\n")
    return head.partition("#\n")[0] + kustomization


def _additions(
    directory: Path, files: Mapping[str, str], new: Mapping[str, bytes]
) -> dict[str, list[str]]:
    """Return what each kustomization.yaml that is kept does not list."""
    found = {}
    for path, text in files.items():
        if path in new or Path(path).name not in FILE_NAMES:
            continue
        wanted = re.findall(r"^  - (\S+)$", text, re.MULTILINE)
        missing = missing_resources(text_of(directory / path), wanted)
        if missing:
            found[path] = missing
    return found


def _edited(directory: Path, added: Mapping[str, list[str]]) -> dict[str, bytes]:
    edited = {
        path: add_resources(text_of(directory / path), lines) for path, lines in added.items()
    }
    return {path: text.encode() for path, text in edited.items() if text is not None}


def _say_what_stays(
    directory: Path, name: str, left_out: Mapping[str, str], kept: Sequence[str]
) -> None:
    """Name what another file has, and each file that is kept and has something else."""
    for path, other in left_out.items():
        click.echo(f"skip  {directory / path}: {other} has what it would hold")
    for path, what in _OBJECTS.items():
        if path in kept and NEEDLES[0].decode() not in text_of(directory / path):
            click.echo(
                f"note: {directory / path} has something else, so there is no {what} of {name} "
                "yet: rename that file, and run `init` again",
                err=True,
            )


def _say_what_is_left(directory: Path, added: Mapping[str, list[str]], or_else: str) -> None:
    for path, lines in added.items():
        click.echo(
            f"\n{directory / path} does not list these; add them to its `resources`{or_else}:",
            err=True,
        )
        for line in lines:
            click.echo(f"  - {line}", err=True)


def _say_what_is_next(directory: Path, name: str, prefix: str) -> None:
    click.echo(
        f"\nNext: set the interface and the range in {prefix}, commit, and see docs/deploy.md.\n"
        f"To try it: gitops-prefix render --diff --prefix {name}=2001:db8:1234::/64 {directory}",
        err=True,
    )


def _check(values: Mapping[str, str]) -> None:
    """Refuse what would break out of a YAML string in the templates."""
    for key, text in values.items():
        if key == "routers":
            continue
        shape, words = _SHAPES.get(key, _ANY)
        if not re.fullmatch(shape, text):
            option = "DIR" if key == "directory" else f"--{key}"
            message = f'{option} "{text}" is not a valid {key}: {words}'
            raise InputError(Problem("invalid-value", message))


def _templates(source: str) -> dict[str, str]:
    root = shipped("templates") / source
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*.yaml"))
    }
