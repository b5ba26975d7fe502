"""`init`: the first manifests, from templates. It never overwrites."""

import os
import re
import string
from pathlib import Path

import click

from gitops_prefix import __version__
from gitops_prefix.cli.options import Command, OneOf, config_option, option
from gitops_prefix.cli.output import DONE
from gitops_prefix.cli.worktree import shipped
from gitops_prefix.cli.writing import write_files
from gitops_prefix.errors import InputError, Problem

_SHAPES = {
    "name": (r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", 'use a-z, 0-9 and "-", as in "home-ipv6"'),
    "interface": (r"[^\s/\"\\:]{1,15}", 'write one as `ip link` names it, such as "eth0"'),
}
_ANY = (r"[^\s\"\\]+", "write it without blanks, quotes and backslashes")


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
@option("--name", default="home-ipv6", show_default=True, help="Name of the DynamicPrefix.")
@option("--interface", default="eth0", show_default=True, help="The link the router is on.")
@option(
    "--repo",
    default="ssh://git@git.example.com/home-ops.git",
    show_default=True,
    help="Where the daemon pushes.",
)
@option("--branch", default="main", show_default=True, help="The branch it pushes to.")
def command(  # noqa: PLR0913  one parameter an option
    *, directory: Path, reconciler: str, name: str, interface: str, repo: str, branch: str
) -> int:
    """Write a DynamicPrefix, a pool, a CIDR group and a deployment to DIR.

    Files that are there already stay as they are.
    """
    values = {"name": name, "interface": interface, "repo": repo, "branch": branch}
    _check(values)
    values["version"] = __version__
    files = {
        path: Template(text).safe_substitute(values)
        for source in ("common", reconciler)
        for path, text in _templates(source).items()
    }
    # `os.path` calls missing what may not be looked at: writing then says why.
    new = {
        path: text.encode()
        for path, text in files.items()
        if not os.path.exists(directory / path)  # noqa: PTH110  see above
    }
    write_files(directory, new)
    for path in sorted(files):
        click.echo(f"{'wrote' if path in new else 'kept '} {directory / path}")
    click.echo(
        "\nNext: set the interface and the range in prefix.yaml, commit, and see docs/deploy.md.\n"
        f"To try it: gitops-prefix render --diff --prefix {name}=2001:db8:1234::/64 {directory}",
        err=True,
    )
    return DONE


def _check(values: dict[str, str]) -> None:
    """Refuse what would break out of a YAML string in the templates."""
    for key, text in values.items():
        shape, words = _SHAPES.get(key, _ANY)
        if not re.fullmatch(shape, text):
            message = f'--{key} "{text}" is not a valid {key}: {words}'
            raise InputError(Problem("invalid-value", message))


def _templates(source: str) -> dict[str, str]:
    root = shipped("templates") / source
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*.yaml"))
    }
